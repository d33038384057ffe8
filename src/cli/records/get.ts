/** `records get`: everything the node knows about one name. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option, Stream } from "effect"
import { existsSync } from "node:fs"
import * as NameClass from "../../auth/NameClass.ts"
import { TokenStore } from "../../auth/TokenStore.ts"
import type { NodeConfig } from "../../Settings.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"
import * as RecordReader from "../../sql/RecordReader.ts"
import * as Name from "../../wire/Name.ts"
import { failed, usage } from "../AdminFailure.ts"
import { settings, withTokens } from "../AdminStores.ts"
import * as Text from "../AdminText.ts"
import * as Chosen from "./Chosen.ts"
import { policyOf, reasonOf } from "./Judgement.ts"

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

/** Whose name it is, as far as the rules of names and the tokens on record tell. */
const writerOf = (name: string, { auth, store, zone }: NodeConfig) =>
  Effect.gen(function* () {
    const named = NameClass.classify(name, zone.zones)
    if (named._tag === "Pool") return "anybody with a token; who wrote a shared name is not kept"
    if (named._tag !== "Owner") return "the operator"
    if (named.by._tag === "BySubject") return named.by.subject
    if (auth.mode !== "multi-tenant" || !existsSync(store.tokenDbPath)) return "its owner"
    const { by } = named
    const rows = yield* withTokens(
      Effect.flatMap(TokenStore, (tokens) => tokens.listTokens({ includeRevoked: true }))
    )
    return rows.find((row) => NameClass.owns(row, by))?.subject ?? "its owner, not on record"
  })

export const get = Command.make("get", { name: Args.text({ name: "name" }), json }, (given) =>
  Effect.gen(function* () {
    const config = yield* settings
    const parsed = Name.parse(given.name)
    if (Option.isNone(parsed)) return yield* usage(`error: '${given.name}' is no owner name`)
    const name = parsed.value
    const path = yield* Chosen.database(config)
    const now = yield* UnixTime.now
    const read = yield* Stream.runCollect(RecordReader.rows(path, { name, liveAt: now }))
    const rows = [...read].flat().flatMap((raw) => Chosen.rowOf(raw) ?? [])
    if (rows.length === 0) return yield* failed(`error: there is no live record at '${name}'`)
    const writer = yield* writerOf(name, config)
    const policy = policyOf(config, false)
    const { zones } = config.zone
    const served = zones.length === 0 || zones.some((zone) => Name.isWithin(name, zone))
    const records = rows.map((row) => ({
      kind: Chosen.kindOf(row.value),
      value: row.value,
      ttl: row.ttl,
      written_at: row.createdAt,
      expires_at: row.expiresAt,
      seconds_left: row.expiresAt - now,
      check: reasonOf(policy, name, row.value, now) ?? "ok"
    }))
    if (given.json) return yield* Text.printJson({ name, writer, served, records })
    yield* Console.log(
      [
        `name: ${name}`,
        `written by: ${writer}`,
        ...(served ? [] : ["served: no, it is in none of this node's zones"]),
        ...records.flatMap((record) => [
          "",
          `kind: ${record.kind}`,
          `value: ${record.value}`,
          `written: ${Text.time(record.written_at)}, for ${record.ttl} s`,
          `ends: ${Text.time(record.expires_at)}, ${record.seconds_left} s left`,
          `check: ${record.check}`
        ])
      ].join("\n")
    )
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Show the records of one name: values, ends, kind, whose it is"))
