/** How a stranger comes to publish on this node, by its mode: the middle of the visitors' page. */
import type { AuthMode } from "../auth/AuthConfig.ts"
import { html, type Html } from "./Html.ts"

export interface Terms {
  readonly mode: AuthMode
  /** People may register by themselves. */
  readonly selfService: boolean
  /** Registration hands out TSIG keys, and DNS UPDATE takes them. */
  readonly tsig: boolean
  /** Domains whose users may register; empty lets every domain. */
  readonly allowlist: ReadonlyArray<string>
  /** DNS UPDATE is taken at all. */
  readonly updates: boolean
}

/** What is to be typed; the host is the operator's setting or the `Host` a visitor used. */
const shell = (lines: ReadonlyArray<string>): Html =>
  html`<pre><code>${lines.join("\n")}</code></pre>`

const allowed = (allowlist: ReadonlyArray<string>): Html =>
  allowlist.length === 0
    ? html`<p>Users of every domain may register.</p>`
    : html`<p>Users of these domains may register:</p>
        <ul>
          ${allowlist.map((domain) => html`<li><code>@${domain}</code></li> `)}
        </ul>`

const selfService = (node: string, { allowlist, tsig, updates }: Terms): Html => html`
  <p>This node takes registrations. Your key pair is your account; there is no password.</p>
  ${allowed(allowlist)}
  <h3>With a publish token</h3>
  ${shell([`dnsmesh register --node ${node}`])}
  <p>The client proves that it holds its key, and keeps the token it is given.</p>
  ${
    tsig
      ? html`<h3>With a TSIG key</h3>
          ${shell([`dnsmesh tsig register --node ${node}`])}
          <p>
            The key signs DNS UPDATE messages sent to this node's DNS port, so that publishing needs
            no HTTP afterwards.
          </p>`
      : updates
        ? html`<p>TSIG keys for DNS UPDATE are given out by the operator.</p>`
        : html`<p>This node takes no DNS UPDATE; records are published over HTTPS.</p>`
  }
`

const closed = html`<p>
  Registration is closed. The operator gives out credentials; ask them for a token, then publish
  with it.
</p>`

const legacy = html`<p>
  This node is its operator's own. Others can read what it serves, and nobody else can publish over
  HTTP.
</p>`

const open = html`<p class="warning" role="note">
  <strong>This node is open:</strong> whoever reaches its HTTP port may publish and withdraw
  records, yours too. Do not rely on what it holds.
</p>`

/** `node` is the name others reach this node by. */
export const render = (node: string, terms: Terms): Html => {
  switch (terms.mode) {
    case "open":
      return open
    case "legacy":
      return legacy
    case "multi-tenant":
      return terms.selfService ? selfService(node, terms) : closed
  }
}
