/** The name of one request: in its answer, in the log, and in the proxy's log if there is one. */
import type { IncomingMessage } from "node:http"

const safe = /^[A-Za-z0-9._-]{1,64}$/

/** An id of ours, or the one a trusted peer already gave the request. */
export const requestId = (request: IncomingMessage, trusted: boolean): string => {
  const given = request.headers["x-request-id"]
  return trusted && typeof given === "string" && safe.test(given) ? given : crypto.randomUUID()
}
