/** Which records a command is about: its options, and the rows they choose, read page by page. */
import * as Options from "@effect/cli/Options"
import { Effect, Option, Stream } from "effect"
import { existsSync } from "node:fs"
import * as Record from "../../dmp/Record.ts"
import type { NodeConfig } from "../../Settings.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"
import * as RecordReader from "../../sql/RecordReader.ts"
import type { BackupError } from "../../sql/BackupError.ts"
import { type AdminFailure, usage } from "../AdminFailure.ts"
import * as Text from "../AdminText.ts"

/** A row as a node writes it. Times are Unix seconds. */
export interface Row {
  readonly name: string
  readonly value: string
  readonly ttl: number
  readonly createdAt: number
  readonly expiresAt: number
  /** Milliseconds. */
  readonly storedTs: number
  readonly valueHash: string
}

const isWhole = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value)

/** `raw` if every column holds what a node writes there. */
export const rowOf = (raw: RecordReader.RawRow): Row | undefined => {
  const { created_at, expires_at, name, stored_ts, ttl, value, value_hash } = raw
  return typeof name === "string" &&
    typeof value === "string" &&
    typeof value_hash === "string" &&
    isWhole(ttl) &&
    isWhole(created_at) &&
    isWhole(expires_at) &&
    isWhole(stored_ts)
    ? {
        name,
        value,
        ttl,
        createdAt: created_at,
        expiresAt: expires_at,
        storedTs: stored_ts,
        valueHash: value_hash
      }
    : undefined
}

export const kinds = [
  ...Object.keys(Record.prefixes).filter((kind): kind is Record.RecordType =>
    Object.hasOwn(Record.prefixes, kind)
  ),
  "other" as const
]
export type Kind = (typeof kinds)[number]

/** What kind of record a value claims to be. */
export const kindOf = (value: string): Kind => Record.typeOf(value) ?? "other"

export const options = {
  name: Options.text("name").pipe(
    Options.optional,
    Options.withDescription("Only names that match; * stands for anything, ? for one character")
  ),
  kind: Options.choice("kind", kinds).pipe(
    Options.optional,
    Options.withDescription("Only records of this kind")
  ),
  endingWithin: Options.text("ending-within").pipe(
    Options.optional,
    Options.withDescription("Only records that end within 10m, 12h, 7d or so many seconds")
  ),
  limit: Options.integer("limit").pipe(
    Options.optional,
    Options.withDescription("At most so many records")
  ),
  expired: Options.boolean("expired").pipe(
    Options.withDescription("Records that are over too, as long as no sweep has removed them")
  )
}

export interface Given {
  readonly name: Option.Option<string>
  readonly kind: Option.Option<Kind>
  readonly endingWithin: Option.Option<string>
  readonly limit: Option.Option<number>
  readonly expired: boolean
}

const pattern = (text: string): Effect.Effect<string, AdminFailure> => {
  const glob = text.toLowerCase().replace(/\.$/, "")
  return /^[a-z0-9_.*?-]+$/.test(glob)
    ? Effect.succeed(glob)
    : Effect.fail(usage(`error: --name: '${text}' is no name, nor a pattern for one`))
}

/** The database, which a command that reads never makes. */
export const database = ({ store }: NodeConfig): Effect.Effect<string, AdminFailure> =>
  existsSync(store.dbPath)
    ? Effect.succeed(store.dbPath)
    : Effect.fail(
        usage(`error: there is no database at ${store.dbPath}; is DMP_DB_PATH that of the node?`)
      )

/** The chosen rows in order of name; rows of no proper shape are left out. */
export const rows = (
  path: string,
  given: Given
): Effect.Effect<Stream.Stream<Row, BackupError>, AdminFailure> =>
  Effect.gen(function* () {
    const now = yield* UnixTime.now
    const within = yield* Text.durationOption("ending-within", given.endingWithin)
    const glob = yield* Effect.transposeOption(Option.map(given.name, pattern))
    const { kind, limit } = given
    if (Option.isSome(limit) && limit.value < 1)
      return yield* usage("error: --limit takes a number from 1 on")
    const all = RecordReader.rows(path, {
      ...(Option.isSome(glob) ? { glob: glob.value } : {}),
      ...(given.expired ? {} : { liveAt: now }),
      ...(Option.isSome(within) ? { endedBy: now + within.value } : {})
    }).pipe(
      Stream.flatMap(Stream.fromIterable),
      Stream.filterMap((raw) => Option.fromNullable(rowOf(raw)))
    )
    const ofKind = Option.isSome(kind)
      ? Stream.filter(all, ({ value }) => kindOf(value) === kind.value)
      : all
    return Option.isSome(limit) ? Stream.take(ofKind, limit.value) : ofKind
  })
