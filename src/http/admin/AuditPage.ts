/** The end of the audit trail. */
import { auditEvents, type AuditRow } from "../../auth/AuditRow.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import { table } from "./Frame.ts"

/** Rows shown at most. */
export const shown = 200

/** The event a query asks for, if it is one. */
export const eventIn = (query: string): string | undefined => {
  const asked = new URLSearchParams(query).get("event")
  return auditEvents.find((event) => event === asked)
}

const filter = (chosen: string | undefined): Html => {
  const link = (event: string | undefined) => {
    const text = event ?? "all"
    const href = event === undefined ? "/admin/audit" : `/admin/audit?event=${event}`
    return event === chosen
      ? html`<strong aria-current="true">${text}</strong> `
      : html`<a href="${href}">${text}</a> `
  }
  return html`<p>Show: ${[undefined, ...auditEvents].map(link)}</p>`
}

export const render = (rows: ReadonlyArray<AuditRow>, chosen: string | undefined): Html =>
  html`${filter(chosen)}
    ${table(
      `Newest ${shown} lines`,
      ["Time (UTC)", "Event", "Subject", "Token", "Network", "Detail"],
      rows.map(({ detail, event, remoteAddr, subject, tokenHash, ts }) => [
        Ago.utc(ts),
        event,
        subject ?? "–",
        tokenHash === null ? "–" : html`<code>${tokenHash.slice(0, 12)}</code>`,
        remoteAddr ?? "–",
        detail ?? ""
      ]),
      "Nothing has been recorded."
    )}
    <p class="soft">
      Writes to the shared pool name neither token nor subject. The whole trail:
      <code>dnsmesh-node audit tail</code>.
    </p>`
