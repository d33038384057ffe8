/**
 * Who may enter the sync routes: a node that signs, or whoever holds a token. A request that
 * carries a signature is judged by it alone; with `DMP_SYNC_AUTH=signed` there is no other way.
 */
import { Clock, Effect, Either, Option, Redacted } from "effect"
import * as OperatorToken from "../auth/OperatorToken.ts"
import { ManifestInstall } from "../peers/ManifestInstall.ts"
import { PeersConfig, type PeersConfigShape } from "../peers/PeersConfig.ts"
import * as RequestSignature from "../peers/RequestSignature.ts"
import * as SignatureCheck from "../peers/SignatureCheck.ts"
import { type Caller, SyncCallers } from "../peers/SyncCallers.ts"
import * as SyncMetrics from "../peers/SyncMetrics.ts"
import * as Refusal from "./Refusal.ts"
import type { Exchange } from "./Route.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const forbidden = Refusal.forbidden("forbidden")

/** Who holds one of `credentials`; the scheme is case-sensitive here. */
export const holder = (
  credentials: ReadonlyArray<Caller & { readonly token: Redacted.Redacted<string> }>
) => {
  const matchers = credentials.map(({ by, peer, token }) => ({
    caller: { peer, by },
    matches: OperatorToken.matcher(token)
  }))
  return (authorization: string | undefined): Caller | undefined => {
    if (authorization === undefined || !authorization.startsWith("Bearer ")) return undefined
    const token = Buffer.from(authorization.slice("Bearer ".length), "latin1")
    // Every one is tried, so that which of them matched does not show in the time taken.
    return matchers.filter(({ matches }) => matches(token))[0]?.caller
  }
}

const commaSeparated = (text: Option.Option<Redacted.Redacted<string>>) =>
  Option.match(text, { onNone: () => [], onSome: (value) => Redacted.value(value).split(",") })
    .map((token) => token.trim())
    .filter((token) => token !== "")

/** Every token peers may show, each with whose it is and its rank among that peer's. */
const credentials = (config: PeersConfigShape) => {
  const shared = [
    ...Option.toArray(Option.map(config.syncToken, Redacted.value)),
    ...commaSeparated(config.acceptedSyncTokens)
  ].map((token) => ({ peer: "any", token: Redacted.make(token) }))
  const ranks = new Map<string, number>()
  return [...config.acceptedPeerTokens, ...shared].map(({ peer, token }) => {
    const rank = (ranks.get(peer) ?? 0) + 1
    ranks.set(peer, rank)
    return { peer, token, by: rank === 1 ? "token" : `token-${rank}` }
  })
}

export const make = Effect.gen(function* () {
  const config = yield* PeersConfig
  const start = { at: yield* UnixTime.now, mark: RequestSignature.newMark() }
  const check = SignatureCheck.make(config, yield* ManifestInstall, start)
  const callers = new SyncCallers()
  const accepted = () => (config.syncAuth === "signed" ? [] : credentials(config))
  const sources = () => [config.syncToken, config.acceptedSyncTokens, config.acceptedPeerTokens]
  yield* SyncMetrics.registerCallers(accepted())
  let from = sources()
  let holds = holder(accepted())
  /** By the tokens of this moment: their files may have changed. */
  const byToken: typeof holds = (authorization) => {
    const now = sources()
    if (now.some((source, at) => source !== from[at])) {
      from = now
      holds = holder(accepted())
    }
    return holds(authorization)
  }

  const refused = (reason: SyncMetrics.RefusalReason) =>
    Effect.zipRight(SyncMetrics.kept(reason), Effect.fail(forbidden))

  /** Fails unless the body that is read is the one that was signed. */
  const bound = (exchange: Exchange, contentDigest: string): Exchange => ({
    ...exchange,
    body: (cap) =>
      Effect.filterOrElse(
        exchange.body(cap),
        (octets) => RequestSignature.digestOf(octets) === contentDigest,
        () => refused("digest")
      )
  })

  /** The request, if a peer made it. */
  const enter = (exchange: Exchange): Effect.Effect<Exchange, Refusal.Refusal> =>
    Effect.gen(function* () {
      const { headers, method = "" } = exchange.request
      const now = yield* UnixTime.now
      const { address } = exchange.client
      if (headers[RequestSignature.headers.input] !== undefined) {
        const { path, query } = exchange
        const signer = check.verify({ method, path, query, headers }, now)
        if (Either.isLeft(signer)) return yield* refused(signer.left)
        yield* callers.note({ peer: signer.right.nodeId, by: "signature" }, address, now)
        return bound(exchange, signer.right.contentDigest)
      }
      const caller = byToken(headers.authorization)
      if (caller === undefined) return yield* refused("token")
      yield* callers.note(caller, address, now)
      return exchange
    })

  /** On every answer: that signatures are taken, by which clock, and by which process. */
  const announced = Effect.map(
    Clock.currentTimeMillis,
    (now): Readonly<Record<string, string>> => ({
      Date: new Date(now).toUTCString(),
      ...(check.isAble()
        ? {
            "Accept-Signature": RequestSignature.accepted,
            [RequestSignature.startHeader]: start.mark
          }
        : {})
    })
  )
  return { enter, announced, callers: () => callers.all() }
})
