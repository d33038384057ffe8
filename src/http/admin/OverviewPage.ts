/** How the node is doing now. */
import type { Census } from "../../zone/Census.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import { table } from "./Frame.ts"
import type { Snapshot } from "./Live.ts"
import * as Numbers from "./Numbers.ts"

export interface Overview {
  readonly live: Snapshot
  readonly census: Census
  readonly version: string
}

const value = (live: Snapshot, name: string): Html =>
  html`<b data-live="${name}">${live.texts[name] ?? "–"}</b>`

const cell = (live: Snapshot, name: string): Html =>
  html`<span data-live="${name}">${live.texts[name] ?? "–"}</span>`

const tiles = (live: Snapshot): Html =>
  html`<ul class="tiles">
    ${(
      [
        ["queries", "DNS queries"],
        ["publishes", "HTTP publishes"],
        ["refused", "DNS over the limit"],
        ["records", "live records"],
        ["database", "database"],
        ["wal", "write-ahead log"],
        ["uptime", "since the start"],
        ["lag", "event loop lag, p99"]
      ] as const
    ).map(([name, label]) => html`<li>${value(live, name)}<span>${label}</span></li> `)}
  </ul>`

const chart = (live: Snapshot, name: string, title: string): Html => {
  const { height, width } = Numbers.chart
  return html`<section class="panel">
    <h2>${title}</h2>
    <svg
      class="chart"
      viewBox="0 0 ${width} ${height}"
      preserveAspectRatio="none"
      role="img"
      aria-label="${title}, the last quarter of an hour; now ${live.texts[name] ?? ""}"
    >
      <line x1="0" y1="${height - 2}" x2="${width}" y2="${height - 2}" />
      <polyline data-points="${name}" points="${live.points[name] ?? ""}" />
    </svg>
    <p class="soft">Last 15 minutes, up to the highest value; now ${cell(live, name)}</p>
  </section>`
}

const latencies = (live: Snapshot): Html =>
  table(
    "Latency over the last five minutes",
    ["Door", "p50", "p95", "p99"],
    [
      ["DNS", cell(live, "dns.p50"), cell(live, "dns.p95"), cell(live, "dns.p99")],
      ["HTTP", cell(live, "http.p50"), cell(live, "http.p95"), cell(live, "http.p99")]
    ],
    ""
  )

const totals = (
  live: Snapshot,
  prefix: string,
  caption: string,
  head: string,
  always: ReadonlyArray<string>
): Html => {
  const names = Object.keys(live.texts).filter((name) => name.startsWith(prefix))
  const shown = names.filter(
    (name) => live.texts[name] !== "0" || always.includes(name.slice(prefix.length))
  )
  return table(
    caption,
    [head, "Since the start"],
    shown.map((name) => [name.slice(prefix.length), cell(live, name)]),
    "None yet."
  )
}

const bar = (part: number, whole: number, label: string): Html =>
  html`<progress max="${Math.max(1, whole)}" value="${part}" aria-label="${label}"></progress>`

const kinds = ({ byKind, values }: Census): Html =>
  table(
    "Live records by type",
    ["Type", "Records", "Size", "Share"],
    [...byKind]
      .sort(([, a], [, b]) => b.values - a.values)
      .map(([kind, { octets, values: count }]) => [
        kind,
        Numbers.count(count),
        Numbers.bytes(octets),
        bar(count, values, `${kind}: ${count} of ${values}`)
      ]),
    "The store is empty."
  )

const within = (seconds: number): string =>
  seconds === Infinity ? "later" : `within ${Ago.span(seconds)}`

const endings = ({ endings, values }: Census): Html =>
  values === 0
    ? html``
    : table(
        "When they expire",
        ["Ends", "Records", "Share"],
        endings
          .filter(({ values: count }) => count > 0)
          .map(({ values: count, within: seconds }) => [
            within(seconds),
            Numbers.count(count),
            bar(count, values, `${within(seconds)}: ${count} of ${values}`)
          ]),
        ""
      )

export const render = ({ census, live, version }: Overview): Html =>
  html`<p class="soft">
      <strong data-live="ready">${live.texts["ready"] ?? ""}</strong>
      · <span data-live="checks">${live.texts["checks"] ?? ""}</span> · version ${version} ·
      <span id="live-state" role="status"></span>
    </p>
    ${tiles(live)}
    <div class="grid">
      ${chart(live, "queries", "DNS queries")} ${chart(live, "publishes", "HTTP publishes")}
      <section class="panel">
        <h2>Latency</h2>
        ${latencies(live)}
        <p class="soft">
          ${cell(live, "working")} in work, ${cell(live, "connections")} connections open
        </p>
      </section>
      <section class="panel">
        <h2>DNS answers</h2>
        ${totals(live, "outcome.", "DNS messages by outcome", "Outcome", [
          "noerror",
          "nxdomain",
          "servfail",
          "rate_limited"
        ])}
      </section>
      <section class="panel">
        <h2>HTTP answers</h2>
        ${totals(live, "status.", "HTTP requests by status", "Status", ["2xx", "4xx", "5xx"])}
      </section>
      <section class="panel">
        <h2>Records</h2>
        ${kinds(census)} ${endings(census)}
        <p class="soft">
          ${Numbers.count(census.names)} names; ${cell(live, "expired")} expired rows wait for the
          next sweep
        </p>
      </section>
      <section class="panel">
        <h2>Process</h2>
        <p>
          ${cell(live, "memory")} resident memory · ${cell(live, "tokens")} live tokens ·
          ${cell(live, "keys")} live TSIG keys
        </p>
      </section>
    </div>`
