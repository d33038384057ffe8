/**
 * How this node proves itself to its peers: by a signature where the peer takes one, by a token
 * where it does not. Invariant: a peer that has once answered a signed request is never shown
 * a token again, in this process or a later one, so whoever sits between cannot ask for it.
 */
import { Clock, Context, Data, Effect, Layer, Option, Redacted } from "effect"
import { ManifestInstall } from "./ManifestInstall.ts"
import type { NodeIdentity } from "./NodeIdentity.ts"
import type { Peer } from "./Peer.ts"
import { PeerClient, type PeerError, type PeerReply } from "./PeerClient.ts"
import { PeersConfig, type PeersConfigShape } from "./PeersConfig.ts"
import * as RequestSignature from "./RequestSignature.ts"
import { SyncState } from "./SyncState.ts"

/** There is nothing this node may show to the peer. */
export class NoCredential extends Data.TaggedError("NoCredential")<{
  readonly message: string
}> {}

export interface Question {
  readonly method: "GET" | "POST"
  readonly path: string
  /** From the question mark on, or empty. */
  readonly query: string
  readonly body?: string
  readonly maxBytes: number
  /** Milliseconds. */
  readonly deadline: number
}

/** Milliseconds until a peer that refused a signature is offered one again. */
const againSoon = 60_000
const againLater = 600_000
/**
 * How far, ms, a peer's clock is followed. What is signed for a later moment could be shown to
 * it then: no more of that than clocks need.
 */
const furthestClock = 900_000
const noticeable = 5000

/** What signatures for a peer go by. */
interface Follow {
  /** How far its clock is ahead, ms. */
  readonly offset: number
  /** See `RequestSignature.startHeader`. */
  readonly mark: string | undefined
}
const nothing: Follow = { offset: 0, mark: undefined }

export class SyncRequests extends Context.Tag("dnsmesh/peers/SyncRequests")<
  SyncRequests,
  {
    readonly ask: (
      peer: Peer,
      question: Question
    ) => Effect.Effect<PeerReply, PeerError | NoCredential>
    /** Forgets a peer that is none any more. */
    readonly forget: (href: string) => Effect.Effect<void>
    /** What the peer at `href` was shown last. */
    readonly shownTo: (href: string) => "nothing" | "token" | "signature"
  }
>() {
  static readonly layer = Layer.effect(
    SyncRequests,
    Effect.gen(function* () {
      const client = yield* PeerClient
      const config = yield* PeersConfig
      const install = yield* ManifestInstall
      const state = yield* SyncState
      const signing = new Set(yield* state.signingPeers)
      const offerAt = new Map<string, number>()
      const followed = new Map<string, Follow>()
      const shown = new Map<string, "token" | "signature">()
      const identity = config.syncAuth === "bearer" ? Option.none() : config.nodeIdentity

      /** Signer and addressee, where the manifest lists both. */
      const members = (peer: Peer) => {
        const manifest = Option.getOrUndefined(install.installed())?.manifest
        if (manifest === undefined || Option.isNone(identity)) return undefined
        const ids = manifest.nodes.map(({ nodeId }) => nodeId)
        const to = install.nodeAt(peer.url)
        return to !== undefined && ids.includes(identity.value.nodeId)
          ? { by: identity.value, to }
          : undefined
      }

      const send = (peer: Peer, question: Question, headers: Readonly<Record<string, string>>) =>
        client.request({
          url: peer.url,
          chosenBy: "operator",
          method: question.method,
          path: question.path + question.query,
          maxBytes: question.maxBytes,
          deadline: question.deadline,
          gzip: config.syncCompress === "on" || (config.syncCompress === "auto" && peer.url.secure),
          headers,
          ...(question.body === undefined ? {} : { body: question.body })
        })

      /** Follows what a refusal says of the peer's clock and process. */
      const learn = (href: string, { headers }: PeerReply, now: number): Follow => {
        const known = followed.get(href) ?? nothing
        const offset = offsetOf(headers.date, now)
        const follow = {
          offset: Math.abs(offset - known.offset) < noticeable ? known.offset : offset,
          mark: RequestSignature.markIn(headers[RequestSignature.startHeader]) ?? known.mark
        }
        followed.set(href, follow)
        return follow
      }

      const sendSigned = (
        peer: Peer,
        question: Question,
        between: { readonly by: NodeIdentity; readonly to: string }
      ) =>
        Effect.gen(function* () {
          const { href } = peer.url
          const signed = (follow: Follow) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              send(peer, question, signatureOf(peer, question, between, follow, now))
            )
          const follow = followed.get(href) ?? nothing
          const reply = yield* signed(follow)
          if (reply.status !== 403) return reply
          const better = learn(href, reply, yield* Clock.currentTimeMillis)
          return better.offset === follow.offset && better.mark === follow.mark
            ? reply
            : yield* signed(better)
        })

      const sendBearer = (peer: Peer, question: Question) =>
        Option.match(tokenFor(peer, config), {
          onNone: () => Effect.fail(new NoCredential({ message: "no token is set for it" })),
          onSome: (token) =>
            Effect.tap(
              send(peer, question, { authorization: `Bearer ${Redacted.value(token)}` }),
              () => Effect.sync(() => shown.set(peer.url.href, "token"))
            )
        })

      const remember = (peer: Peer) => {
        const { href } = peer.url
        shown.set(href, "signature")
        if (signing.has(href)) return Effect.void
        signing.add(href)
        return Effect.zipRight(
          Effect.logInfo(`${peer.id} takes signed requests: it is shown no token any more`),
          Effect.ignoreLogged(state.saveSigningPeer(href))
        )
      }

      const ask = (
        peer: Peer,
        question: Question
      ): Effect.Effect<PeerReply, PeerError | NoCredential> =>
        Effect.gen(function* () {
          const { href } = peer.url
          const mustSign =
            config.syncAuth === "signed" || (signing.has(href) && identity._tag === "Some")
          const between = members(peer)
          const now = yield* Clock.currentTimeMillis
          if (between === undefined)
            return mustSign
              ? yield* new NoCredential({
                  message:
                    "the installed manifest does not list both nodes, so nothing can be signed"
                })
              : yield* sendBearer(peer, question)
          if (mustSign || now >= (offerAt.get(href) ?? 0)) {
            const reply = yield* sendSigned(peer, question, between)
            if (reply.status !== 403) yield* remember(peer)
            if (mustSign || reply.status !== 403) return reply
            offerAt.set(href, now + (takesSignatures(reply) ? againSoon : againLater))
          }
          const reply = yield* sendBearer(peer, question)
          if (takesSignatures(reply))
            offerAt.set(href, Math.min(offerAt.get(href) ?? 0, now + againSoon))
          return reply
        })

      return SyncRequests.of({
        ask,
        forget: (href) =>
          Effect.suspend(() => {
            signing.delete(href)
            for (const map of [offerAt, followed, shown]) map.delete(href)
            return Effect.ignoreLogged(state.forgetSigningPeer(href))
          }),
        shownTo: (href) => shown.get(href) ?? "nothing"
      })
    })
  )
}

const takesSignatures = (reply: PeerReply): boolean =>
  RequestSignature.isOffered(reply.headers["accept-signature"])

/** The token of this peer alone, or the one all share. */
const tokenFor = ({ id, url }: Peer, { peerTokens, syncToken }: PeersConfigShape) =>
  Option.orElse(
    Option.map(
      Option.fromNullable(
        peerTokens.find(({ peer }) => peer === id) ??
          peerTokens.find(({ peer }) => peer === url.href)
      ),
      ({ token }) => token
    ),
    () => syncToken
  )

const signatureOf = (
  peer: Peer,
  { body, method, path, query }: Question,
  { by, to }: { readonly by: NodeIdentity; readonly to: string },
  { mark, offset }: Follow,
  now: number
) =>
  RequestSignature.sign(
    {
      method,
      path: peer.url.basePath + path,
      query,
      contentDigest: RequestSignature.digestOf(Buffer.from(body ?? "")),
      to,
      certificate: by.certificate
    },
    {
      created: Math.floor((now + offset) / 1000),
      nonce: RequestSignature.newNonce(mark),
      keyId: by.nodeId
    },
    Redacted.value(by.seed)
  )

/** How far, ms, the clock that wrote `date` is ahead; 0 when that is beyond belief. */
const offsetOf = (date: string | undefined, here: number): number => {
  const offset = date === undefined ? Number.NaN : Date.parse(date) + 500 - here
  return Math.abs(offset) <= furthestClock ? offset : 0
}
