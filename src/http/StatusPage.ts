/** What the node tells about itself to a person with a browser. */
import { Option } from "effect"
import type { AuthMode } from "../auth/AuthConfig.ts"
import { html, type Html, page } from "./Html.ts"

export interface Status {
  readonly zones: ReadonlyArray<string>
  readonly hostname: Option.Option<string>
  readonly mode: AuthMode
  /** Live values held. */
  readonly records: number
}

const whoMayPublish: Readonly<Record<AuthMode, string>> = {
  open: "Anybody. This node is not closed.",
  legacy: "The operator.",
  "multi-tenant": "The operator, and users with a token."
}

export const render = ({ hostname, mode, records, zones }: Status): string => {
  const name = Option.getOrElse(hostname, () => zones[0] ?? "dnsmesh-node")
  const served: ReadonlyArray<Html> =
    zones.length === 0
      ? [html`every name it is asked for`]
      : zones.map((zone) => html`<code>${zone}</code> `)
  return page(
    name,
    html`<h1>${name}</h1>
      <p>
        A node of the DNS Mesh Protocol: it takes signed TXT records over HTTP and serves them over
        DNS.
      </p>
      <table>
        <tr>
          <th>Serves</th>
          <td>${served}</td>
        </tr>
        <tr>
          <th>Records</th>
          <td>${records}</td>
        </tr>
        <tr>
          <th>Who may publish</th>
          <td>${whoMayPublish[mode]}</td>
        </tr>
      </table>
      <p>
        <a href="/docs">API</a> · <a href="/health">health</a> · <a href="/readyz">readiness</a> ·
        <a href="/stats">stats</a>
      </p>`
  )
}
