/**
 * `/dns-query`: DNS over HTTPS (RFC 8484) for networks that let nothing else through. The DNS
 * side has its own limiter, keyed by the client a trusted proxy names.
 */
import { Effect, Either, Option } from "effect"
import { DnsOverHttps } from "../runtime/DnsOverHttps.ts"
import { opcode, rcode, type as rrType } from "../wire/Codes.ts"
import * as Message from "../wire/Message.ts"
import { maxMessage } from "../wire/ReplyWriter.ts"
import * as Refusal from "./Refusal.ts"
import type { Reply } from "./Reply.ts"
import type { Exchange, Route } from "./Route.ts"

const path = "/dns-query"
const mediaType = "application/dns-message"

const noMessage = Refusal.badRequest(
  "no-dns-message",
  `${path} takes a DNS message: GET with ?dns= in base64url, or POST as ${mediaType}`
)
const notByGet = Refusal.badRequest("not-by-get", "only queries may come by GET")
const wrongType = new Refusal.Refusal({
  status: 415,
  code: "unsupported-media-type",
  error: `the body must be ${mediaType}`,
  headers: { "Accept-Post": mediaType }
})
const tooLong = new Refusal.Refusal({
  status: 413,
  code: "dns-message-too-long",
  error: `a DNS message has at most ${maxMessage} bytes`
})

/** RFC 8484 §4.1: base64url without padding. */
const ofQuery = (query: string): Either.Either<Buffer, Refusal.Refusal> => {
  const texts = new URLSearchParams(query).getAll("dns")
  const [text = ""] = texts
  // One character over whole groups of four spells no octet.
  if (texts.length !== 1 || !/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1)
    return Either.left(noMessage)
  const message = Buffer.from(text, "base64url")
  if (message.length > maxMessage) return Either.left(tooLong)
  // RFC 9110 §9.2.1: GET changes nothing.
  return Message.readHeader(message)?.opcode === opcode.QUERY
    ? Either.right(message)
    : Either.left(message.length < Message.headerOctets ? noMessage : notByGet)
}

const ofBody = (exchange: Exchange): Effect.Effect<Buffer, Refusal.Refusal> => {
  const [type = ""] = (exchange.request.headers["content-type"] ?? "").split(";")
  return type.trim().toLowerCase() === mediaType
    ? Effect.mapError(exchange.body(maxMessage), (refusal) =>
        refusal.code === "body-too-long" ? tooLong : refusal
      )
    : Effect.fail(wrongType)
}

/**
 * RFC 8484 §5.1: as fresh as the record with the least left of its life. What is not about
 * names, or is meant for one client alone, is not kept.
 */
const freshness = (reply: Buffer): string => {
  const read = Either.getOrUndefined(Message.parse(reply))
  const about = read?.rcode === rcode.NOERROR || read?.rcode === rcode.NXDOMAIN
  if (read === undefined || !about) return "no-store"
  const opt = Either.getOrUndefined(Message.findOpt(read))
  const personal =
    read.additionals.some((record) => record.type === rrType.TSIG) ||
    (opt !== undefined && opt.rdataEnd > opt.rdataStart)
  const ttls = [...read.answers, ...read.authorities].map(({ ttl }) => ttl)
  return personal || ttls.length === 0 ? "no-store" : `max-age=${Math.min(...ttls)}`
}

/** No route where nothing answers DNS behind this front. */
export const routes = Effect.map(
  Effect.serviceOption(DnsOverHttps),
  Option.match({
    onNone: (): ReadonlyArray<Route> => [],
    onSome: (dns): ReadonlyArray<Route> => [
      {
        template: path,
        matches: (candidate) => candidate === path,
        methods: ["GET", "POST"],
        handle: Effect.fnUntraced(function* (exchange: Exchange) {
          const message = yield* exchange.method === "GET"
            ? ofQuery(exchange.query)
            : ofBody(exchange)
          let wait = 1
          const body = yield* Effect.mapError(
            dns.exchange(message, exchange.client.address, (standing) => {
              exchange.limits.tell("dns", standing)
              if (standing?.remaining === 0) wait = standing.reset
            }),
            (why) =>
              why === "limited" ? Refusal.rateLimited("too many DNS queries", wait) : noMessage
          )
          const reply: Reply = {
            status: 200,
            contentType: mediaType,
            headers: { "Cache-Control": freshness(body) },
            body
          }
          return reply
        })
      }
    ]
  })
)
