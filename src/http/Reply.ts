/** An answer before it is written: what to say, not how. HEAD, security headers and the request id are the front's business. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { RateLimitFields } from "./RateLimitFields.ts"

export interface Reply {
  readonly status: number
  readonly contentType?: string
  /** Beside those every answer gets. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export const json = (
  status: number,
  value: unknown,
  headers?: Readonly<Record<string, string>>
): Reply => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(value),
  ...(headers === undefined ? {} : { headers })
})

export const empty = (status: number): Reply => ({ status })

/** On every answer of the front. Answers are about this moment unless they say otherwise. */
export const commonHeaders: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff"
}

/** Body octets that are read and thrown away to let a client see its refusal. */
const lingerBytes = 262_144
const lingerMillis = 1000

/**
 * Writes `reply`. A body still on its way is not worth a connection: a short one is
 * skipped, a long one is read on for a moment, because a socket closed with unread data
 * takes the answer with it (RFC 9112 §9.6).
 */
export const write = (
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  reply: Reply,
  limits?: RateLimitFields
): void => {
  if (response.destroyed || response.headersSent) return
  const headers: Record<string, string | number> = { ...commonHeaders, "X-Request-Id": requestId }
  if (reply.contentType !== undefined) headers["Content-Type"] = reply.contentType
  const body = reply.body
  // RFC 9110 §8.6: no Content-Length with 204.
  if (reply.status !== 204)
    headers["Content-Length"] = body === undefined ? 0 : Buffer.byteLength(body)
  limits?.writeTo(headers)
  Object.assign(headers, reply.headers)
  const lingering = leavesBody(request)
  if (lingering) headers["Connection"] = "close"
  response.writeHead(reply.status, headers)
  const sent = request.method === "HEAD" ? undefined : body
  if (!lingering) return void response.end(sent)
  if (sent === undefined) response.flushHeaders()
  else response.write(sent)
  linger(request, () => response.end())
}

const leavesBody = (request: IncomingMessage): boolean => {
  if (request.complete || request.readableEnded) return false
  const length = request.headers["content-length"]
  return length === undefined
    ? request.headers["transfer-encoding"] !== undefined
    : Number(length) > 65_536
}

const linger = (request: IncomingMessage, done: () => void): void => {
  let left = lingerBytes
  const stop = () => {
    clearTimeout(timer)
    request.off("data", count).off("end", stop).off("close", stop)
    done()
  }
  const count = (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) stop()
  }
  const timer = setTimeout(stop, lingerMillis)
  request.on("data", count).on("end", stop).on("close", stop)
}
