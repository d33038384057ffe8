/** Answers of the operator's pages: never kept by anybody, and running no script but the node's own. */
import type { Html } from "../Html.ts"
import type { Reply } from "../Reply.ts"

export const policy =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

export const page = (
  status: number,
  body: Html,
  headers: Readonly<Record<string, string>> = {}
): Reply => ({
  status,
  contentType: "text/html; charset=utf-8",
  body: body.text,
  headers: { "Content-Security-Policy": policy, ...headers }
})

/** After a form: the browser fetches `path` (RFC 9110 §15.4.4). */
export const seeOther = (path: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status: 303,
  headers: { Location: path, ...headers }
})
