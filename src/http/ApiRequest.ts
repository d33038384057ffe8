/** What a handler behind the platform's router can learn about its request, and how it refuses one. */
import type { IncomingMessage } from "node:http"
import { type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Option } from "effect"
import * as Refusal from "./Refusal.ts"
import type { Exchange } from "./Route.ts"

const exchanges = new WeakMap<IncomingMessage, Exchange>()

/** Remembers `exchange` for as long as its request lives. */
export const register = (exchange: Exchange): void => void exchanges.set(exchange.request, exchange)

/** The exchange of a request that came through the front. */
export const exchangeOf = (request: HttpServerRequest.HttpServerRequest): Option.Option<Exchange> =>
  Option.fromNullable(exchanges.get(NodeHttpServerRequest.toIncomingMessage(request)))

/** `refusal` as this request's answer. */
export const refuse = (
  request: HttpServerRequest.HttpServerRequest,
  refusal: Refusal.Refusal
): HttpServerResponse.HttpServerResponse => {
  const id = Option.match(exchangeOf(request), { onNone: () => "", onSome: ({ id }) => id })
  const { body, headers, status } = Refusal.reply(refusal, id)
  return HttpServerResponse.text(String(body), {
    status,
    contentType: "application/json",
    ...(headers === undefined ? {} : { headers })
  })
}
