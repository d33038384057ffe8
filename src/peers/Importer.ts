/** Writes what peers have through the one write path, with a grant of their own. */
import { Array as Arr, Context, Effect, Either, Layer, Option } from "effect"
import * as Heartbeat from "../dmp/Heartbeat.ts"
import * as Octets from "../dmp/Octets.ts"
import * as Name from "../wire/Name.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { Limits } from "../zone/Limits.ts"
import { Publisher } from "../zone/Publisher.ts"
import { RecordStore, type StoreError } from "../zone/RecordStore.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import type { Change, PublishError } from "../zone/WriteRequest.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import { Deletions } from "./Deletions.ts"
import { type Candidate, type Facts, type Import, judge, type Refused } from "./Import.ts"
import { OwnIdentity } from "./OwnIdentity.ts"
import type { Peer } from "./Peer.ts"
import { PeersConfig } from "./PeersConfig.ts"
import { turn } from "./Turn.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

export type Outcome =
  | { readonly _tag: "Taken"; readonly candidate: Candidate }
  | { readonly _tag: "Refused"; readonly candidate: Candidate; readonly refused: Refused }

interface Fit {
  readonly candidate: Candidate
  readonly incoming: Import
}

/** Rows judged before other work gets a turn: at 0.1 ms a signature, some 3 ms. */
const slice = 32
/** Rows written by one request. */
const together = 256

export class Importer extends Context.Tag("dnsmesh/peers/Importer")<
  Importer,
  {
    /**
     * Takes over what is fit; each row by itself, so that none spoils another. Fails only
     * when the store does: then nothing can be said of any row.
     */
    readonly take: (
      peer: Peer,
      rows: ReadonlyArray<Candidate>,
      options: { readonly acceptsHeartbeats: boolean }
    ) => Effect.Effect<ReadonlyArray<Outcome>, StoreError>
    /** Removes values because a peer says they were deleted. */
    readonly withdraw: (
      peer: Peer,
      values: ReadonlyArray<{ readonly owner: Name.Name; readonly value: string }>
    ) => Effect.Effect<void, StoreError>
    readonly inZone: (owner: Name.Name) => boolean
    /** The zones that `inZone` goes by; undefined when any will do. */
    readonly zones: ReadonlyArray<Name.Name> | undefined
    /** True while the write of this value is on its way in from a peer. */
    readonly isImport: (owner: string, value: string) => boolean
  }
>() {
  static readonly layer = Layer.effect(
    Importer,
    Effect.gen(function* () {
      const config = yield* PeersConfig
      const deletions = yield* Deletions
      const limits = yield* Limits
      const own = yield* OwnIdentity
      const publisher = yield* Publisher
      const store = yield* RecordStore
      const zone = yield* AnswerIndex
      const { zones } = yield* ZoneConfig
      const anyZone = config.importZones === "any" || zones.length === 0
      const inZone = (owner: Name.Name) =>
        anyZone || zones.some((served) => Name.isWithin(owner, served))
      const importing = new Map<string, number>()
      const keyOf = (owner: string, value: string) => `${owner} ${value}`

      const grant = (
        peer: Peer,
        options: {
          readonly deletes: boolean
          readonly ignoresTtlCap: boolean
          readonly verified?: ReadonlySet<string>
        }
      ) =>
        new WriteGrant({
          subject: `peer ${peer.id}`,
          allows: (operation, owner) => inZone(owner) && (operation === "add" || options.deletes),
          // A peer that holds less of a record's life must not take any of ours.
          mayShorten: false,
          ignoresTtlCap: options.ignoresTtlCap,
          ...(options.verified === undefined ? {} : { verified: options.verified })
        })

      const marked =
        (values: ReadonlyArray<{ readonly owner: string; readonly value: string }>) =>
        <A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, E> =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              for (const { owner, value } of values) {
                const key = keyOf(owner, value)
                importing.set(key, (importing.get(key) ?? 0) + 1)
              }
            }),
            () => write,
            () =>
              Effect.sync(() => {
                for (const { owner, value } of values) {
                  const key = keyOf(owner, value)
                  const left = (importing.get(key) ?? 1) - 1
                  if (left === 0) importing.delete(key)
                  else importing.set(key, left)
                }
              })
          )

      /** Heartbeats of the same node that `incoming` replaces; none when it is not the newest. */
      const older = (incoming: Import, now: number): ReadonlyArray<Change> | undefined => {
        const beat = incoming.heartbeat
        if (beat === undefined) return []
        const replaced: Array<Change> = []
        for (const { value } of zone.live(incoming.owner, now)) {
          const held = Either.getOrUndefined(Heartbeat.parse(value))
          if (held === undefined || value === incoming.value) continue
          if (held.endpoint !== beat.endpoint || !Octets.equal(held.operatorSpk, beat.operatorSpk))
            continue
          if (held.ts >= beat.ts) return undefined
          replaced.push({ _tag: "DeleteValue", owner: incoming.owner, value })
        }
        return replaced
      }

      /** When held rows were written, so that a copy never makes one look older. */
      const createdAt = (imports: ReadonlyArray<Import>, now: number) =>
        Effect.map(
          store.rowsAt(
            [...new Set(imports.map(({ owner }) => owner))].filter(
              (owner) => zone.live(owner, now).length > 0
            ),
            now
          ),
          (rows) => new Map(rows.map((row) => [keyOf(row.owner, row.value), row.createdAt]))
        )

      const write = (peer: Peer, incoming: Import, heldSince: number | undefined, now: number) => {
        const replaced = older(incoming, now)
        if (replaced === undefined)
          return Effect.succeed<Refused | undefined>({ reason: "superseded", retry: false })
        return publisher
          .apply({
            grant: grant(peer, {
              deletes: replaced.length > 0,
              ignoresTtlCap: incoming.outlivesCap,
              ...(incoming.verified ? { verified: new Set([incoming.value]) } : {})
            }),
            changes: [...replaced, addition(incoming, heldSince)]
          })
          .pipe(Effect.as<Refused | undefined>(undefined), Effect.catchAll(refusalOf))
      }

      /** Rows of one kind as one request; each by itself when the request is refused. */
      const writeAll = (
        peer: Peer,
        rows: Arr.NonEmptyReadonlyArray<Fit>,
        since: ReadonlyMap<string, number>,
        now: number
      ): Effect.Effect<ReadonlyArray<Outcome>, StoreError> => {
        const heldSince = ({ owner, value }: Import) => since.get(keyOf(owner, value))
        const oneByOne = Effect.forEach(
          rows,
          ({ candidate, incoming }) =>
            Effect.map(write(peer, incoming, heldSince(incoming), now), (refused): Outcome =>
              refused === undefined
                ? { _tag: "Taken", candidate }
                : { _tag: "Refused", candidate, refused }
            ),
          { concurrency: "unbounded" }
        )
        const [{ incoming: first }] = rows
        if (rows.length === 1 || first.heartbeat !== undefined) return oneByOne
        return publisher
          .apply({
            grant: grant(peer, {
              deletes: false,
              ignoresTtlCap: first.outlivesCap,
              ...(first.verified
                ? { verified: new Set(rows.map(({ incoming }) => incoming.value)) }
                : {})
            }),
            changes: rows.map(({ incoming }) => addition(incoming, heldSince(incoming)))
          })
          .pipe(
            Effect.as(rows.map(({ candidate }): Outcome => ({ _tag: "Taken", candidate }))),
            Effect.catchAll((error) => (error._tag === "StoreError" ? error : oneByOne))
          )
      }

      const take = Effect.fn("Importer.take")(function* (
        peer: Peer,
        rows: ReadonlyArray<Candidate>,
        { acceptsHeartbeats }: { readonly acceptsHeartbeats: boolean }
      ) {
        const now = yield* UnixTime.now
        const facts: Facts = {
          now,
          maxTtl: limits.maxTtl,
          inZone,
          operatorSpk: Option.getOrUndefined(config.operatorSpk),
          acceptsHeartbeats,
          isOwnHeartbeat: own.isOwnHeartbeat,
          isDead: deletions.isDead
        }
        const outcomes: Array<Outcome> = []
        const fit: Array<Fit> = []
        for (const [at, candidate] of rows.entries()) {
          if (at % slice === slice - 1) yield* turn
          const verdict = judge(candidate, facts)
          if (Either.isRight(verdict)) fit.push({ candidate, incoming: verdict.right })
          else outcomes.push({ _tag: "Refused", candidate, refused: verdict.left })
        }
        if (fit.length === 0) return outcomes
        const imports = fit.map(({ incoming }) => incoming)
        const since = yield* createdAt(imports, now)
        const written = yield* Effect.forEach(
          Object.values(Arr.groupBy(fit, ({ incoming }) => kindOf(incoming))).flatMap((rows) =>
            Arr.chunksOf(rows, together)
          ),
          (rows) => writeAll(peer, rows, since, now)
        ).pipe(marked(imports))
        return [...outcomes, ...written.flat()]
      })

      const withdraw = (
        peer: Peer,
        values: ReadonlyArray<{ readonly owner: Name.Name; readonly value: string }>
      ) =>
        publisher
          .apply({
            grant: grant(peer, { deletes: true, ignoresTtlCap: false }),
            changes: values.map(({ owner, value }) => ({ _tag: "DeleteValue", owner, value }))
          })
          .pipe(
            Effect.asVoid,
            Effect.catchIf(
              (error) => error._tag !== "StoreError",
              (error) => Effect.logDebug(`a deletion by ${peer.id} was refused: ${error._tag}`)
            ),
            marked(values)
          )

      return Importer.of({
        take,
        withdraw,
        inZone,
        zones: anyZone ? undefined : zones,
        isImport: (owner, value) => importing.has(keyOf(owner, value))
      })
    })
  )
}

/** Rows of one kind need the same grant: nothing checked of one may count for another. */
const kindOf = ({ heartbeat, outlivesCap, verified }: Import): string =>
  heartbeat === undefined ? `${outlivesCap} ${verified}` : "heartbeat"

const addition = (
  { createdAt, owner, ttl, value }: Import,
  heldSince: number | undefined
): Change => ({
  _tag: "Add",
  record: { owner, value, ttl },
  createdAt: Math.max(createdAt, heldSince ?? 0)
})

/** A refusal of the publisher concerns the row; a failure of the store does not. */
const refusalOf = (error: PublishError): Effect.Effect<Refused, StoreError> => {
  switch (error._tag) {
    case "StoreError":
      return Effect.fail(error)
    case "LimitExceeded":
      return Effect.succeed({ reason: error.limit, retry: error.limit !== "value-characters" })
    case "ContentRefused":
      return Effect.succeed({ reason: error.reason, retry: error.reason === "clock-skew" })
    case "NotGranted":
      return Effect.succeed({ reason: "zone", retry: false })
    case "PrerequisiteFailed":
      return Effect.succeed({ reason: "prerequisite", retry: true })
  }
}
