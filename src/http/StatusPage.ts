/** What the node tells about itself to a person with a browser, and how they may take part. */
import { Option } from "effect"
import * as Ago from "./Ago.ts"
import { html, type Html, page } from "./Html.ts"
import * as Joining from "./Joining.ts"
import type { NodeFactsShape, NodePeer } from "./NodeFacts.ts"

export interface Status extends Joining.Terms {
  readonly zones: ReadonlyArray<string>
  readonly hostname: Option.Option<string>
  /** Live values held. */
  readonly records: number
  readonly own: NodeFactsShape["own"]
  readonly peers: ReadonlyArray<NodePeer>
  /** Unix seconds. */
  readonly now: number
}

/** A peer heard of within this many seconds is called fresh. */
const fresh = 3600

const shortKey = (hex: string): string => `${hex.slice(0, 8)}...${hex.slice(-4)}`

const peerRow =
  (now: number) =>
  ({ endpoint, heardAt, operatorSpk, version }: NodePeer): Html =>
    html`<tr>
      <td><a href="${endpoint}" rel="noreferrer nofollow">${endpoint}</a></td>
      <td><code>${shortKey(operatorSpk)}</code></td>
      <td>${version === "" ? "-" : version}</td>
      <td class="${now - heardAt < fresh ? "fresh" : "stale"}">${Ago.span(now - heardAt)} ago</td>
      <td>1</td>
    </tr> `

const peerTable = ({ now, own, peers }: Status): Html =>
  Option.match(own, {
    onNone: () =>
      html`<p>
        This node keeps to itself. Its operator can show it to others by setting
        <code>DMP_HEARTBEAT_ENABLED</code>, <code>DMP_HEARTBEAT_SELF_ENDPOINT</code> and
        <code>DMP_HEARTBEAT_OPERATOR_KEY_PATH</code>.
      </p>`,
    onSome: (self) => {
      const others = peers.filter(
        ({ endpoint, operatorSpk }) =>
          endpoint !== self.endpoint || operatorSpk !== self.operatorSpk
      )
      return html`<div class="wide" tabindex="0" role="region" aria-label="Peers">
        <table>
          <caption>
            Nodes this one knows by their signed heartbeats
          </caption>
          <thead>
            <tr>
              <th scope="col">Endpoint</th>
              <th scope="col">Operator key</th>
              <th scope="col">Version</th>
              <th scope="col">Last heard</th>
              <th scope="col">Sources</th>
            </tr>
          </thead>
          <tbody>
            ${[{ ...self, heardAt: now }, ...others].map(peerRow(now))}
          </tbody>
        </table>
      </div>`
    }
  })

const digs = (node: string, zone: string, heartbeats: boolean): ReadonlyArray<string> => [
  `dig @${node} ${zone} SOA`,
  ...(heartbeats
    ? [`dig @${node} _dnsmesh-heartbeat.${zone} TXT`, `dig @${node} _dnsmesh-seen.${zone} TXT`]
    : [`dig @${node} +short NAME.${zone} TXT`])
]

export const render = (status: Status): string => {
  const { hostname, own, records, zones } = status
  const zone = zones[0]
  const name = Option.getOrElse(hostname, () => zone ?? "dnsmesh-node")
  const served: ReadonlyArray<Html> =
    zones.length === 0
      ? [html`every name it is asked for`]
      : zones.map((each) => html`<code>${each}</code> `)
  const identity = Option.match(own, {
    onNone: () => html``,
    onSome: ({ endpoint, operatorSpk }) =>
      html`<div>
          <dt>Endpoint</dt>
          <dd><code>${endpoint}</code></dd>
        </div>
        <div>
          <dt>Operator key</dt>
          <dd><code>${operatorSpk}</code></dd>
        </div>`
  })
  return page(
    name,
    html`<main>
      <h1>${name}</h1>
      <p>
        A node of the DNS Mesh Protocol. It takes short signed records, keeps them until they expire
        and serves them as DNS TXT records to whoever asks.
      </p>
      <dl class="facts">
        <div>
          <dt>Serves</dt>
          <dd>${served}</dd>
        </div>
        <div>
          <dt>Live records</dt>
          <dd>${records}</dd>
        </div>
        ${identity}
      </dl>
      <section aria-labelledby="join">
        <h2 id="join">Taking part</h2>
        ${Joining.render(name, status)}
      </section>
      <section aria-labelledby="ask">
        <h2 id="ask">Asking it</h2>
        <p>Records are read over plain DNS, here or through any resolver:</p>
        <pre><code>${digs(name, zone ?? "example.org", Option.isSome(own)).join("\n")}</code></pre>
      </section>
      <section aria-labelledby="peers">
        <h2 id="peers">Other nodes</h2>
        ${peerTable(status)}
      </section>
      <nav aria-label="More about this node">
        <a href="/docs">HTTP API</a> · <a href="/openapi.json">OpenAPI</a> ·
        <a href="/health">health</a> · <a href="/readyz">readiness</a> · <a href="/stats">stats</a>
      </nav>
    </main>`
  )
}
