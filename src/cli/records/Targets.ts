/**
 * Where imported records go: into a running node over its HTTP API, into the database of a node
 * that is stopped, or nowhere. Each passes the rules of a publish; none goes behind a running
 * node's back, because its database cannot be opened for writing.
 */
import { Clock, Context, Effect, Either, Layer, Stream } from "effect"
import * as RecordPolicy from "../../auth/RecordPolicy.ts"
import * as Publishing from "../../http/Publishing.ts"
import type * as Refusal from "../../http/Refusal.ts"
import { layer as settingsLayer, type NodeConfig } from "../../Settings.ts"
import type { BackupError } from "../../sql/BackupError.ts"
import * as RecordReader from "../../sql/RecordReader.ts"
import * as SqlRecordStore from "../../sql/SqlRecordStore.ts"
import * as Name from "../../wire/Name.ts"
import { AnswerIndex } from "../../zone/AnswerIndex.ts"
import { ChangeFeed } from "../../zone/ChangeFeed.ts"
import { Draft } from "../../zone/Decide.ts"
import { LiveZone } from "../../zone/LiveZone.ts"
import { Publisher } from "../../zone/Publisher.ts"
import { WriteGrant } from "../../zone/WriteGrant.ts"
import type { Change } from "../../zone/WriteRequest.ts"
import type { AdminFailure } from "../AdminFailure.ts"
import { rowOf } from "./Chosen.ts"
import { policyOf } from "./Judgement.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"

/** A record as `POST /v1/records` takes it. */
export interface Wanted {
  readonly name: string
  readonly value: string
  readonly ttl: number
}

/** None when it was published; else why not, as a publish would be told. */
export type Outcome = { readonly code: string; readonly error: string } | undefined

export interface Target {
  /** For the summary. */
  readonly where: string
  readonly publish: (
    records: ReadonlyArray<Wanted>
  ) => Effect.Effect<ReadonlyArray<Outcome>, AdminFailure>
}

const grant = WriteGrant.everything("operator")
const told = ({ code, error }: Refusal.Refusal): Outcome => ({ code, error })

interface Asked {
  readonly owner: string
  readonly change: Either.Either<Change, Refusal.Refusal>
}

const asked =
  ({ limits }: NodeConfig) =>
  (record: Wanted): Asked => {
    const owner = Publishing.spelled(record.name)
    return { owner, change: Publishing.changeOf(owner, record, limits) }
  }

/** Into the database of a node that is not running; fails `in-use` while it is. */
export const stopped = (config: NodeConfig) => {
  const services = Publisher.layer.pipe(
    Layer.provide(AnswerIndex.layer),
    Layer.provide(Layer.mergeAll(ChangeFeed.layer, RecordPolicy.layer)),
    Layer.provide(SqlRecordStore.layerFile(config.store.dbPath)),
    Layer.provide(settingsLayer(config))
  )
  return Effect.map(Layer.build(services), (context): Target => {
    const publisher = Context.get(context, Publisher)
    return {
      where: config.store.dbPath,
      publish: (records) =>
        Effect.gen(function* () {
          const all = records.map(asked(config))
          const sound = all.flatMap(({ change, owner }) =>
            Either.isRight(change) ? [{ owner, change: change.right }] : []
          )
          const exits = yield* publisher.applyEach(
            sound.map(({ change }) => ({ grant, changes: [change] }))
          )
          const written = yield* Effect.forEach(exits, (exit, at) =>
            Effect.match(exit, {
              onSuccess: (): Outcome => undefined,
              onFailure: (error) => told(Publishing.refusalOf(error, sound[at]?.owner ?? ""))
            })
          )
          const next = written.values()
          return all.map(({ change }) =>
            Either.isLeft(change) ? told(change.left) : next.next().value
          )
        })
    }
  })
}

/** Into a picture of the zone as it is now, which nobody but this command sees. */
export const picture = (config: NodeConfig): Effect.Effect<Target, BackupError> =>
  Effect.gen(function* () {
    const now = yield* UnixTime.now
    const zone = new LiveZone(now)
    yield* Stream.runForEach(RecordReader.rows(config.store.dbPath, { liveAt: now }), (rows) =>
      Effect.sync(() => {
        for (const raw of rows) {
          const row = rowOf(raw)
          const name = row === undefined ? undefined : Name.parse(row.name)
          if (row !== undefined && name?._tag === "Some")
            zone.load(name.value, row.value, row.expiresAt)
        }
      })
    )
    const rules = { limits: config.limits, policy: ruling(config) }
    return {
      where: "nothing (dry run)",
      publish: (records) =>
        Effect.map(Clock.currentTimeMillis, (millis) => {
          const draft = new Draft(zone, Math.floor(millis / 1000))
          return records.map(asked(config)).map(({ change, owner }) => {
            if (Either.isLeft(change)) return told(change.left)
            const decision = draft.decide({ grant, changes: [change.right] }, rules)
            if (Either.isLeft(decision)) return told(Publishing.refusalOf(decision.left, owner))
            zone.apply(decision.right.rows)
            return undefined
          })
        })
    }
  })

/** The policy in force, off where it is off. */
const ruling = (config: NodeConfig) =>
  config.auth.recordValidation === "off" ? { judge: () => ({}) } : policyOf(config, false)
