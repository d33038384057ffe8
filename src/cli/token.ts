/** `token …`: publish tokens, issued, listed, revoked and rotated beside a running node. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option, Redacted } from "effect"
import { RegistrationConfig, reservedUntil } from "../auth/RegistrationConfig.ts"
import * as Subject from "../auth/Subject.ts"
import * as TokenFormat from "../auth/TokenFormat.ts"
import { isLive, type TokenRow } from "../auth/TokenRow.ts"
import { TokenStore } from "../auth/TokenStore.ts"
import { failed, usage } from "./AdminFailure.ts"
import { nowSeconds, withTokens } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const subject = Args.text({ name: "subject" })
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const expires = Options.text("expires").pipe(
  Options.optional,
  Options.withDescription("Life, such as 90d, 12h or 3600; without it no end")
)

/** Rates a token can have: numbers from 0 on. */
const checkedRate = (rate: number, burst: number) =>
  Number.isFinite(rate) && rate >= 0 && burst >= 0
    ? Effect.void
    : Effect.fail(usage("error: --rate and --burst take numbers from 0 on"))

const mint = (kind: "issue" | "rotate", row: TokenRow) =>
  Effect.gen(function* () {
    const store = yield* TokenStore
    const outcome = yield* store.mint(kind, row, {
      subject: row.subject,
      spk: null,
      now: row.issuedAt,
      reservedUntil: reservedUntil(yield* RegistrationConfig, row.expiresAt),
      predecessors: [],
      published: []
    })
    if (outcome._tag === "Minted") return outcome.superseded.length
    return yield* failed(
      outcome.reason === "banned"
        ? `error: subject '${row.subject}' is banned; lift it with subject release`
        : `error: the names of '${row.subject}' collide with those of another subject`
    )
  })

const issue = Command.make(
  "issue",
  {
    subject,
    expires,
    rate: Options.float("rate").pipe(Options.withDefault(10)),
    burst: Options.integer("burst").pipe(Options.withDefault(50)),
    note: Options.text("note").pipe(Options.withDefault("")),
    prekeyScope: Options.text("with-prekey-scope").pipe(
      Options.optional,
      Options.withDescription("X25519 key (hex) whose pk- names the token may write")
    ),
    json
  },
  (given) =>
    Effect.gen(function* () {
      const owner = yield* Text.subjectArgument(given.subject)
      const life = yield* Text.expiresOption(given.expires)
      yield* checkedRate(given.rate, given.burst)
      const prekey = Option.isNone(given.prekeyScope)
        ? null
        : Subject.hexHash(
            12,
            Buffer.from(yield* Text.keyOption("with-prekey-scope", given.prekeyScope.value), "hex")
          )
      const now = yield* nowSeconds
      const token = Redacted.value(yield* TokenFormat.generate)
      const row: TokenRow = {
        tokenHash: TokenFormat.hash(token),
        subject: owner,
        subjectType: 1,
        subjectHash12: prekey,
        ratePerSec: given.rate,
        rateBurst: given.burst,
        issuedAt: now,
        expiresAt: Option.match(life, { onNone: () => null, onSome: (seconds) => now + seconds }),
        revokedAt: null,
        issuer: Text.operator(),
        note: given.note,
        registeredSpk: null
      }
      yield* withTokens(mint("issue", row), { fills: true })
      if (given.json)
        return yield* Text.printJson({
          token,
          subject: owner,
          subject_hash12: prekey,
          expires_at: row.expiresAt,
          rate_per_sec: row.ratePerSec,
          rate_burst: row.rateBurst
        })
      yield* Console.log(
        [
          `  subject: ${owner}`,
          ...(prekey === null ? [] : [`  prekey h12: ${prekey}`]),
          `  rate: ${row.ratePerSec} req/s burst=${row.rateBurst}`,
          `  expires: ${Text.time(row.expiresAt)}`,
          "  token (shown once, kept only as a hash):",
          `      ${token}`,
          ...(given.note === "" ? [] : [`  note: ${given.note}`])
        ].join("\n")
      )
    }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Issue a token and reserve its subject"))

const list = Command.make(
  "list",
  {
    subject: Options.text("subject").pipe(Options.optional),
    includeRevoked: Options.boolean("include-revoked"),
    json
  },
  (given) =>
    Effect.gen(function* () {
      const owner = yield* Effect.transposeOption(Option.map(given.subject, Text.subjectArgument))
      const now = yield* nowSeconds
      const rows = yield* withTokens(
        Effect.flatMap(TokenStore, (store) =>
          store.listTokens({
            includeRevoked: given.includeRevoked,
            ...(Option.isSome(owner) ? { subject: owner.value } : {})
          })
        )
      )
      if (given.json)
        return yield* Text.printJson(
          rows.map((row) => ({
            token_hash: row.tokenHash,
            subject: row.subject,
            subject_type: row.subjectType,
            subject_hash12: row.subjectHash12,
            rate_per_sec: row.ratePerSec,
            rate_burst: row.rateBurst,
            issued_at: row.issuedAt,
            expires_at: row.expiresAt,
            revoked_at: row.revokedAt,
            issuer: row.issuer,
            note: row.note,
            live: isLive(row, now)
          }))
        )
      if (rows.length === 0) return yield* Console.log("(no tokens)")
      yield* Console.log(
        [
          ["HASH-PREFIX", "SUBJECT", "ISSUED", "EXPIRES", "REVOKED", "STATUS"],
          ...rows.map((row) => [
            row.tokenHash.slice(0, 16),
            row.subject,
            Text.time(row.issuedAt),
            Text.time(row.expiresAt),
            Text.time(row.revokedAt),
            isLive(row, now) ? "live" : "inactive"
          ])
        ]
          .map(Text.tableLine)
          .join("\n")
      )
    }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("List tokens, newest first"))

/** Shorter prefixes are a slip of the hand, and the empty one would be every token. */
const minPrefix = 8

const revoke = Command.make("revoke", { target: Args.text({ name: "target" }), json }, (given) =>
  Effect.gen(function* () {
    const target = given.target.trim()
    const asSubject = yield* Effect.option(Text.subjectArgument(target))
    const asPrefix = target.toLowerCase()
    const isPrefix = /^[0-9a-f]+$/.test(asPrefix) && asPrefix.length >= minPrefix
    if (Option.isNone(asSubject) && !isPrefix)
      return yield* usage(`error: give a subject, or ${minPrefix} hex digits or more of a hash`)
    const now = yield* nowSeconds
    yield* withTokens(
      Effect.gen(function* () {
        const store = yield* TokenStore
        if (Option.isSome(asSubject)) {
          const count = yield* store.revokeSubject(asSubject.value, now)
          if (count === 0) return yield* failed(`error: no live token matches '${target}'`)
          return yield* given.json
            ? Text.printJson({ subject: asSubject.value, revoked: count })
            : Console.log(`revoked ${count} token(s) for subject '${asSubject.value}'`)
        }
        const found = (yield* store.listTokens({ includeRevoked: false })).filter((row) =>
          row.tokenHash.startsWith(asPrefix)
        )
        const [row] = found
        if (row === undefined) return yield* failed(`error: no live token matches '${target}'`)
        if (found.length > 1)
          return yield* usage(`error: '${target}' matches ${found.length} tokens; give more digits`)
        yield* store.revoke(row.tokenHash, now)
        yield* given.json
          ? Text.printJson({ subject: row.subject, token_hash: row.tokenHash, revoked: 1 })
          : Console.log(`revoked token ${row.tokenHash.slice(0, 16)}… (subject ${row.subject})`)
      })
    )
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Revoke a subject's tokens, or one token by the start of its hash"))

const rotate = Command.make(
  "rotate",
  {
    subject,
    expires,
    rate: Options.float("rate").pipe(Options.optional),
    burst: Options.integer("burst").pipe(Options.optional),
    json
  },
  (given) =>
    Effect.gen(function* () {
      const owner = yield* Text.subjectArgument(given.subject)
      const life = yield* Text.expiresOption(given.expires)
      yield* checkedRate(
        Option.getOrElse(given.rate, () => 0),
        Option.getOrElse(given.burst, () => 0)
      )
      const now = yield* nowSeconds
      const token = Redacted.value(yield* TokenFormat.generate)
      yield* withTokens(
        Effect.gen(function* () {
          const store = yield* TokenStore
          const [held] = yield* store.listTokens({ subject: owner, includeRevoked: false })
          // What was not asked to change is as it was: scope, rates, length of life and the key
          // that may register again.
          const kept =
            held === undefined || held.expiresAt === null ? null : held.expiresAt - held.issuedAt
          const seconds = Option.getOrElse(life, () => kept)
          const row: TokenRow = {
            tokenHash: TokenFormat.hash(token),
            subject: owner,
            subjectType: 1,
            subjectHash12: held?.subjectHash12 ?? null,
            ratePerSec: Option.getOrElse(given.rate, () => held?.ratePerSec ?? 10),
            rateBurst: Option.getOrElse(given.burst, () => held?.rateBurst ?? 50),
            issuedAt: now,
            expiresAt: seconds === null ? null : now + seconds,
            revokedAt: null,
            issuer: `${Text.operator()}:rotate`,
            note: "rotation",
            registeredSpk: held?.registeredSpk ?? null
          }
          const revoked = yield* mint("rotate", row)
          yield* given.json
            ? Text.printJson({ token, subject: owner, revoked, expires_at: row.expiresAt })
            : Console.log(`revoked ${revoked} old token(s) for '${owner}'\nnew token:\n  ${token}`)
        })
      )
    }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Replace every token of a subject by a new one"))

export const token = Command.make("token").pipe(
  Command.withDescription("Publish tokens of users"),
  Command.withSubcommands([issue, list, revoke, rotate])
)
