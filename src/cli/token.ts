/** `token …`: publish tokens, issued, listed, revoked and rotated beside a running node. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option, Redacted } from "effect"
import * as CredentialFacts from "../auth/CredentialFacts.ts"
import * as Credentials from "../auth/Credentials.ts"
import { isLive } from "../auth/TokenRow.ts"
import { TokenStore } from "../auth/TokenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { failed, usage } from "./AdminFailure.ts"
import { withTokens } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const subject = Args.text({ name: "subject" })
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const expires = Options.text("expires").pipe(
  Options.optional,
  Options.withDescription("Life, such as 90d, 12h or 3600; without it no end")
)

const failures = {
  CredentialRefused: Text.credentialRefused,
  StoreError: Text.storeFailed
}

const issue = Command.make(
  "issue",
  {
    subject,
    expires,
    rate: Options.float("rate").pipe(Options.withDefault(Credentials.defaultRates.ratePerSec)),
    burst: Options.integer("burst").pipe(Options.withDefault(Credentials.defaultRates.rateBurst)),
    note: Options.text("note").pipe(Options.withDefault("")),
    prekeyScope: Options.text("with-prekey-scope").pipe(
      Options.optional,
      Options.withDescription("X25519 key (hex) whose pk- names the token may write")
    ),
    json
  },
  (given) =>
    Effect.gen(function* () {
      const issued = yield* withTokens(
        Credentials.issueToken({
          subject: given.subject,
          lifetime: yield* Text.expiresOption(given.expires),
          ratePerSec: given.rate,
          rateBurst: given.burst,
          note: given.note,
          prekeyPub: Option.isNone(given.prekeyScope)
            ? ""
            : yield* Text.keyOption("with-prekey-scope", given.prekeyScope.value),
          issuer: Text.operator()
        }),
        { fills: true }
      )
      const { row } = issued
      const token = Redacted.value(issued.token)
      if (given.json)
        return yield* Text.printJson({
          token,
          subject: row.subject,
          subject_hash12: row.subjectHash12,
          expires_at: row.expiresAt,
          rate_per_sec: row.ratePerSec,
          rate_burst: row.rateBurst
        })
      yield* Console.log(
        [
          `  subject: ${row.subject}`,
          ...(row.subjectHash12 === null ? [] : [`  prekey h12: ${row.subjectHash12}`]),
          `  rate: ${row.ratePerSec} req/s burst=${row.rateBurst}`,
          `  expires: ${Text.time(row.expiresAt)}`,
          "  token (shown once, kept only as a hash):",
          `      ${token}`,
          ...(given.note === "" ? [] : [`  note: ${given.note}`])
        ].join("\n")
      )
    }).pipe(Effect.catchTags(failures))
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
      const now = yield* UnixTime.now
      const rows = yield* withTokens(
        Effect.flatMap(TokenStore, (store) =>
          store.listTokens({
            includeRevoked: given.includeRevoked,
            ...(Option.isSome(owner) ? { subject: owner.value } : {})
          })
        )
      )
      if (given.json)
        return yield* Text.printJson(rows.map((row) => CredentialFacts.ofToken(row, now)))
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
    const now = yield* UnixTime.now
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
      const { revoked, row, token } = yield* withTokens(
        Credentials.rotateToken({
          subject: given.subject,
          lifetime: yield* Text.expiresOption(given.expires),
          ratePerSec: given.rate,
          rateBurst: given.burst,
          issuer: `${Text.operator()}:rotate`
        })
      )
      const shown = Redacted.value(token)
      yield* given.json
        ? Text.printJson({
            token: shown,
            subject: row.subject,
            revoked,
            expires_at: row.expiresAt
          })
        : Console.log(
            `revoked ${revoked} old token(s) for '${row.subject}'\nnew token:\n  ${shown}`
          )
    }).pipe(Effect.catchTags(failures))
).pipe(Command.withDescription("Replace every token of a subject by a new one"))

export const token = Command.make("token").pipe(
  Command.withDescription("Publish tokens of users"),
  Command.withSubcommands([issue, list, revoke, rotate])
)
