/** Answers what is no HTTP request: a socket whose octets node could not parse, or that took too long. */
import type { ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { STATUS_CODES } from "node:http"
import * as HttpMetrics from "./HttpMetrics.ts"
import * as Refusal from "./Refusal.ts"
import { commonHeaders, type Reply } from "./Reply.ts"

const refusalFor = (code: string | undefined): Refusal.Refusal => {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return Refusal.requestTimeout
    case "HPE_HEADER_OVERFLOW":
      return Refusal.headersTooLarge
    default:
      return Refusal.badRequest("malformed-request", "malformed request")
  }
}

const serialize = ({ body, headers, status }: Reply): string => {
  const text = String(body)
  const fields = {
    ...commonHeaders,
    ...headers,
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    Connection: "close"
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${text}`
}

/** Refuses with `refusal` and ends the connection. */
export const refuse = (socket: Duplex, refusal: Refusal.Refusal): void => {
  HttpMetrics.unparsed(refusal.status)
  socket.on("error", () => {})
  socket.end(serialize(Refusal.reply(refusal, crypto.randomUUID())))
  // A peer that does not close its side would keep ours half open.
  const timer = setTimeout(() => socket.destroy(), 1000)
  socket.once("close", () => clearTimeout(timer))
}

/** For node's `clientError`. `pending` are the answers this socket still waits for. */
export const onClientError = (
  error: NodeJS.ErrnoException,
  socket: Duplex,
  pending: ReadonlyArray<ServerResponse>
): void => {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
  // An earlier request of the connection gets its answer; what followed it gets none.
  const whole = pending.filter(({ req }) => req.complete)
  if (whole.length > 0) return void whole.at(-1)?.once("close", () => socket.destroy())
  if (pending.some(({ headersSent }) => headersSent)) return void socket.destroy()
  refuse(socket, refusalFor(error.code))
}
