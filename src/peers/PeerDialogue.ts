/**
 * The questions this node asks a peer, each with its caps, as typed answers. Whatever a peer
 * says that is not what was asked for is a `PeerFault`, and no more than that peer's fault.
 */
import { Clock, Data, Effect, Option, Schema } from "effect"
import type { DigestCursor } from "../zone/RecordStore.ts"
import type { PeerError, PeerReply } from "./PeerClient.ts"
import type { Peer } from "./Peer.ts"
import * as SyncApi from "./SyncApi.ts"
import type { NoCredential, SyncRequests } from "./SyncRequests.ts"

/** The peer answered, but not with an answer. */
export class PeerFault extends Data.TaggedError("PeerFault")<{
  /** 0 when the status was right and the body was not. */
  readonly status: number
  readonly message: string
  /** Seconds to wait before asking again, when it counts requests (429). */
  readonly retryAfter?: number
}> {}

export type DialogueError = PeerError | PeerFault | NoCredential

const deadline = 15_000
const maxReply = 16 * 1024 * 1024
const maxSmallReply = 65_536
/** How often a request is made again that a peer found one too many. */
const maxAgain = 8
/** Seconds: released nodes do not say how long, and answer ten requests in one. */
const [usualPause, longestPause] = [1, 5] as const

export interface Digest {
  readonly entries: ReadonlyArray<unknown>
  readonly hasMore: boolean
  readonly extensions: ReadonlySet<string>
  /** How far the peer's clock is ahead, ms, if it told the time. */
  readonly clockOffset: number | undefined
  readonly nextCursor: string | undefined
  /** The latest stamp the peer has given out, ms of its clock, if it says. */
  readonly newest: number | undefined
}

export interface Pulled {
  readonly records: ReadonlyArray<unknown>
  /** When it was asked, by our clock, ms: ages count from here. */
  readonly askedAt: number
}

/** The dialogue with one peer. */
export const make = (requests: SyncRequests["Type"], peer: Peer) => {
  const ask = (
    method: "GET" | "POST",
    path: string,
    maxBytes: number,
    body?: unknown,
    again = 0
  ): Effect.Effect<PeerReply, DialogueError> =>
    requests
      .ask(peer, {
        method,
        path: path.replace(/\?.*$/, ""),
        query: /\?.*$/.exec(path)?.[0] ?? "",
        maxBytes,
        deadline,
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      .pipe(
        Effect.filterOrFail(
          ({ status }) => status === 200 || status === 202 || status === 204,
          ({ headers, status }) =>
            new PeerFault({
              status,
              message: `status ${status}`,
              ...(status === 429 ? { retryAfter: pauseOf(headers["retry-after"]) } : {})
            })
        ),
        // Whoever catches up asks more than a released node grants; that is no failure of it.
        Effect.catchTag("PeerFault", (fault) =>
          fault.retryAfter === undefined || again === maxAgain
            ? Effect.fail(fault)
            : Effect.zipRight(
                Effect.sleep(fault.retryAfter * 1000),
                ask(method, path, maxBytes, body, again + 1)
              )
        )
      )

  const read = <A, I>(schema: Schema.Schema<A, I>) => {
    const decode = Schema.decodeUnknown(Schema.parseJson(schema))
    return ({ body, status }: PeerReply): Effect.Effect<A, PeerFault> =>
      status === 200
        ? Effect.mapError(
            decode(body.toString("utf8")),
            () => new PeerFault({ status: 0, message: "the reply is not what was asked for" })
          )
        : Effect.fail(new PeerFault({ status, message: `status ${status}` }))
  }
  const readDigest = read(SyncApi.DigestPage)
  const readPull = read(SyncApi.PullPage)
  const readDeletions = read(SyncApi.DeletionsPage)
  const readFingerprint = read(SyncApi.FingerprintReply)
  const readManifest = read(SyncApi.ManifestReply)

  /** One page after `cursor`; `buckets` limits it to those first octets of value hashes. */
  const digest = (
    cursor: DigestCursor,
    limit: number,
    zones: ReadonlyArray<string> | undefined,
    buckets?: ReadonlyArray<string>
  ) =>
    Effect.gen(function* () {
      const query = new URLSearchParams({
        cursor: SyncApi.formatCursor(cursor),
        limit: String(limit),
        ext: "1"
      })
      if (zones !== undefined) query.set("zones", zones.join(","))
      if (buckets !== undefined) query.set("buckets", buckets.join(","))
      const sent = yield* Clock.currentTimeMillis
      const reply = yield* ask("GET", `/v1/sync/digest?${query}`, maxReply)
      const received = yield* Clock.currentTimeMillis
      const page = yield* readDigest(reply)
      return {
        entries: page.records,
        hasMore: page.has_more === true,
        extensions: new Set(
          Array.isArray(page.extensions)
            ? page.extensions.filter((name): name is string => typeof name === "string")
            : []
        ),
        clockOffset: offsetOf(page.now, reply.headers.date, (sent + received) / 2),
        newest: typeof page.newest === "number" ? page.newest : undefined,
        nextCursor: typeof page.next_cursor === "string" ? page.next_cursor : undefined
      } satisfies Digest
    })

  const pull = (names: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const askedAt = yield* Clock.currentTimeMillis
      const { records } = yield* Effect.flatMap(
        ask("POST", "/v1/sync/pull", maxReply, { names }),
        readPull
      )
      return { records, askedAt } satisfies Pulled
    })

  const deletions = (after: number) =>
    Effect.flatMap(ask("GET", `/v1/sync/deletions?after=${after}&limit=1000`, maxReply), (reply) =>
      readDeletions(reply)
    )

  const fingerprint = (zones: ReadonlyArray<string> | undefined) =>
    Effect.flatMap(
      ask(
        "GET",
        `/v1/sync/fingerprint${zones === undefined ? "" : `?zones=${zones.join(",")}`}`,
        maxSmallReply
      ),
      readFingerprint
    )

  const manifest = Effect.flatMap(
    ask("GET", "/v1/sync/cluster-manifest", maxSmallReply),
    (reply) =>
      reply.status === 204
        ? Effect.succeed(Option.none<string>())
        : Effect.map(readManifest(reply), ({ wire }) => Option.some(wire))
  )

  const hint = (from: { readonly node_id?: string; readonly endpoint?: string }) =>
    Effect.asVoid(ask("POST", "/v1/sync/hint", maxSmallReply, from))

  return { digest, pull, deletions, fingerprint, manifest, hint }
}

export type Dialogue = ReturnType<typeof make>

const pauseOf = (retryAfter: string | undefined): number =>
  /^[0-9]{1,4}$/.test(retryAfter ?? "")
    ? Math.min(longestPause, Math.max(usualPause, Number(retryAfter)))
    : usualPause

/** From our own field, which has milliseconds, or from the header every server sends. */
const offsetOf = (now: unknown, date: string | undefined, here: number): number | undefined => {
  if (typeof now === "number" && Number.isFinite(now)) return Math.round(now - here)
  const there = date === undefined ? Number.NaN : Date.parse(date)
  // The header counts whole seconds: half of one is the best guess of what it left out.
  return Number.isNaN(there) ? undefined : Math.round(there + 500 - here)
}
