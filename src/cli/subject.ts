/** `subject …`: who holds a user name, across tokens and TSIG keys. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect } from "effect"
import { isReserved, type Owner } from "../auth/Ownership.ts"
import { isLive } from "../auth/TokenRow.ts"
import { TokenStore } from "../auth/TokenStore.ts"
import * as TsigCredentials from "../auth/TsigCredentials.ts"
import { isActive } from "../auth/TsigKey.ts"
import { TsigKeyStore } from "../auth/TsigKeyStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { failed } from "./AdminFailure.ts"
import { withTokens, withTrail, withTsigKeys } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const subject = Args.text({ name: "subject" })
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const note = Options.text("note").pipe(
  Options.withDefault(""),
  Options.withDescription("Why, for whoever looks later")
)

const plain = (owner: Owner) => ({
  subject: owner.subject,
  spk: owner.spk,
  since: owner.since,
  reserved_until: owner.reservedUntil,
  banned_at: owner.bannedAt,
  note: owner.note
})

const line =
  (now: number) =>
  (owner: Owner): string =>
    Text.tableLine([
      owner.subject,
      owner.spk?.slice(0, 16) ?? "(operator)",
      Text.time(owner.since),
      Text.time(owner.reservedUntil),
      owner.bannedAt !== null
        ? `banned ${Text.time(owner.bannedAt)}`
        : isReserved(owner, now)
          ? "held"
          : "free"
    ])

const head = Text.tableLine(["SUBJECT", "KEY", "SINCE", "RESERVED-UNTIL", "STATUS"])

const list = Command.make("list", { json }, (given) =>
  Effect.gen(function* () {
    const now = yield* UnixTime.now
    const owners = yield* withTokens(Effect.flatMap(TokenStore, (store) => store.listOwners))
    if (given.json) return yield* Text.printJson(owners.map(plain))
    yield* Console.log(
      owners.length === 0 ? "(no subjects)" : [head, ...owners.map(line(now))].join("\n")
    )
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("List who holds which subject"))

const show = Command.make("show", { subject, json }, (given) =>
  Effect.gen(function* () {
    const name = yield* Text.subjectArgument(given.subject)
    const now = yield* UnixTime.now
    const [owner, tokens] = yield* withTokens(
      Effect.flatMap(TokenStore, (store) =>
        Effect.all([
          store.findOwner(name),
          store.listTokens({ subject: name, includeRevoked: false })
        ])
      )
    )
    const keys = yield* withTsigKeys(Effect.flatMap(TsigKeyStore, (store) => store.list))
    const live = tokens.filter((row) => isLive(row, now))
    const active = keys.filter((key) => key.subject === name && isActive(key, now))
    if (
      (owner === undefined || !isReserved(owner, now)) &&
      live.length === 0 &&
      active.length === 0
    )
      return yield* failed(`error: nobody holds '${name}'`)
    if (given.json)
      return yield* Text.printJson({
        owner: owner === undefined ? null : plain(owner),
        tokens: live.map((row) => row.tokenHash),
        tsig_keys: active.map((key) => `${key.name}.`)
      })
    yield* Console.log(
      [
        `subject: ${name}`,
        `key: ${owner?.spk ?? "-"}`,
        `since: ${Text.time(owner?.since ?? null)}`,
        `reserved until: ${owner?.reservedUntil === null ? "released by hand" : Text.time(owner?.reservedUntil ?? null)}`,
        `banned: ${Text.time(owner?.bannedAt ?? null)}`,
        `note: ${owner?.note || "-"}`,
        ...live.map(
          (row) => `token: ${row.tokenHash.slice(0, 16)} until ${Text.time(row.expiresAt)}`
        ),
        ...active.map((key) => `tsig key: ${key.name}. until ${Text.time(key.expiresAt || null)}`)
      ].join("\n")
    )
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Show a subject's key, tokens and TSIG keys"))

/** Runs `change` on the tokens first, which stops new credentials, then revokes the TSIG keys. */
const ending = <A>(
  given: { readonly subject: string; readonly json: boolean },
  done: string,
  change: (
    store: TokenStore["Type"],
    name: Effect.Effect.Success<ReturnType<typeof Text.subjectArgument>>,
    now: number
  ) => Effect.Effect<A, { readonly _tag: "StoreError"; readonly message: string }>
) =>
  Effect.gen(function* () {
    const name = yield* Text.subjectArgument(given.subject)
    const now = yield* UnixTime.now
    const outcome = yield* withTokens(
      Effect.flatMap(TokenStore, (store) => change(store, name, now))
    )
    const keys = yield* withTrail(withTsigKeys(TsigCredentials.revokeAll(name)))
    if (outcome === false && keys === 0) return yield* failed(`error: nobody holds '${name}'`)
    const tokens = typeof outcome === "number" ? outcome : undefined
    if (given.json) return yield* Text.printJson({ subject: name, done, tokens, tsig_keys: keys })
    yield* Console.log(
      `${done} '${name}'${tokens === undefined ? "" : `, ${tokens} token(s)`}, ${keys} TSIG key(s) revoked`
    )
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))

const revoke = Command.make("revoke", { subject, json }, (given) =>
  ending(given, "revoked", (store, name, now) =>
    Effect.map(store.revokeSubject(name, now), (count) => (count === 0 ? false : count))
  )
).pipe(Command.withDescription("Revoke every token and TSIG key; the subject stays with its key"))

const ban = Command.make("ban", { subject, note, json }, (given) =>
  ending(given, "banned", (store, name, now) => store.ban(name, now, given.note))
).pipe(
  Command.withDescription("Revoke everything, and never register the subject or its key again")
)

const release = Command.make("release", { subject, json }, (given) =>
  ending(given, "released", (store, name, now) => store.release(name, now))
).pipe(Command.withDescription("Revoke everything and free the subject for anybody; lifts a ban"))

const transfer = Command.make(
  "transfer",
  {
    subject,
    spk: Options.text("spk").pipe(Options.withDescription("Ed25519 key (hex) of the new holder")),
    note,
    json
  },
  (given) =>
    Effect.gen(function* () {
      const key = yield* Text.keyOption("spk", given.spk)
      yield* ending(given, "transferred", (store, name, now) =>
        Effect.as(store.transfer(name, key, now, given.note), true)
      )
    })
).pipe(Command.withDescription("Revoke everything and give the subject to another key"))

export const subjects = Command.make("subject").pipe(
  Command.withDescription("Who holds which user name"),
  Command.withSubcommands([list, show, revoke, ban, release, transfer])
)
