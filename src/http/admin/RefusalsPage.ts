/** Who runs into the limits, as far as the node keeps that. */
import type { Asker, Talker } from "../../runtime/TopTalkers.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import { table } from "./Frame.ts"
import * as Numbers from "./Numbers.ts"

const limitText: Readonly<Record<Talker["limit"], string>> = {
  dns: "DNS queries",
  "dns-connections": "DNS connections",
  http: "HTTP requests",
  registration: "registration",
  login: "dashboard sign-in"
}

export const render = (
  talkers: ReadonlyArray<Talker>,
  askers: ReadonlyArray<Asker>,
  now: number
): Html =>
  html`<p>
      Networks refused most in this hour and the one before, cut to IPv4 /24 and IPv6 /48. They are
      held in memory only and are gone at a restart. Counts are lower bounds.
    </p>
    ${table(
      "Most refused networks",
      ["Network", "Limit", "Refusals", "Last"],
      talkers.map(({ lastAt, limit, network, refusals }) => [
        html`<code>${network}</code>`,
        limitText[limit],
        Numbers.count(refusals),
        `${Ago.span(now - lastAt)} ago`
      ]),
      "Nobody has been refused lately."
    )}
    ${table(
      "Networks that ask most",
      ["Network", "DNS queries", "Last"],
      askers.map(({ lastAt, network, queries }) => [
        html`<code>${network}</code>`,
        `about ${Numbers.count(queries)}`,
        `${Ago.span(now - lastAt)} ago`
      ]),
      "Nobody has asked much lately."
    )}
    <p class="soft">
      A resolver of many people may well be here: exempt it with
      <code>DMP_DNS_RATE_EXEMPT</code>. If only your own proxy shows up,
      <code>DMP_TRUSTED_PROXIES</code> does not name it.
    </p>`
