/** `tsig …`: TSIG keys of users. A secret is shown once, when it is made. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option } from "effect"
import * as CredentialFacts from "../auth/CredentialFacts.ts"
import * as TsigCredentials from "../auth/TsigCredentials.ts"
import { isActive, type TsigKey } from "../auth/TsigKey.ts"
import { TsigKeyStore } from "../auth/TsigKeyStore.ts"
import { layer as settingsLayer } from "../Settings.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { failed, usage } from "./AdminFailure.ts"
import { settings, withTokens, withTrail, withTsigKeys } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const name = Args.text({ name: "name" })
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const expires = Options.text("expires").pipe(
  Options.optional,
  Options.withDescription("Life, such as 90d, 12h or 3600; without it no end")
)

const printKey = (key: TsigKey, now: number, asJson: boolean, withSecret: boolean) => {
  const secret = Buffer.from(key.secret)
  if (asJson)
    return Text.printJson({
      ...CredentialFacts.ofTsigKey(key, now),
      ...(withSecret ? { secret_hex: secret.toString("hex") } : {})
    })
  return Console.log(
    [
      `name: ${key.name}.`,
      `algorithm: ${key.algorithm}`,
      ...(withSecret ? [`secret: ${secret.toString("base64")}`] : []),
      `subject: ${key.subject || "-"}`,
      `expires: ${Text.time(key.expiresAt || null)}`,
      `status: ${isActive(key, now) ? "live" : "inactive"}`,
      ...key.allowedSuffixes.map((suffix) => `may write: ${suffix}`)
    ].join("\n")
  )
}

const found = (store: TsigKeyStore["Type"], given: string) =>
  Effect.flatMap(store.find(given), (key) =>
    key === undefined ? failed(`error: no TSIG key is called '${given}'`) : Effect.succeed(key)
  )

const list = Command.make("list", { json }, (given) =>
  Effect.gen(function* () {
    const now = yield* UnixTime.now
    const keys = yield* withTsigKeys(Effect.flatMap(TsigKeyStore, (store) => store.list))
    if (given.json)
      return yield* Text.printJson(keys.map((key) => CredentialFacts.ofTsigKey(key, now)))
    if (keys.length === 0) return yield* Console.log("(no TSIG keys)")
    yield* Console.log(
      [
        ["NAME", "SUBJECT", "CREATED", "EXPIRES", "STATUS"],
        ...keys.map((key) => [
          `${key.name}.`,
          key.subject,
          Text.time(key.createdAt),
          Text.time(key.expiresAt || null),
          isActive(key, now) ? "live" : "inactive"
        ])
      ]
        .map(Text.tableLine)
        .join("\n")
    )
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("List the keys, without secrets"))

const show = Command.make("show", { name, json }, (given) =>
  Effect.gen(function* () {
    const now = yield* UnixTime.now
    const key = yield* withTsigKeys(
      Effect.flatMap(TsigKeyStore, (store) => found(store, given.name))
    )
    yield* printKey(key, now, given.json, false)
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Show one key, without its secret"))

const issue = Command.make(
  "issue",
  {
    subject: Args.text({ name: "subject" }),
    spk: Options.text("spk").pipe(
      Options.optional,
      Options.withDescription("The holder's Ed25519 key (hex), unless the subject has one")
    ),
    x25519: Options.text("x25519").pipe(
      Options.optional,
      Options.withDescription("The holder's X25519 key (hex), whose mailbox the key shall own")
    ),
    expires,
    json
  },
  (given) =>
    Effect.gen(function* () {
      const keyIn = (option: string, text: Option.Option<string>) =>
        Option.isNone(text) ? Effect.succeed("") : Text.keyOption(option, text.value)
      const issued = TsigCredentials.issue({
        subject: given.subject,
        spk: yield* keyIn("spk", given.spk),
        x25519Pub: yield* keyIn("x25519", given.x25519),
        lifetime: yield* Text.expiresOption(given.expires),
        issuer: Text.operator()
      })
      const key = yield* withTokens(withTsigKeys(issued, { fills: true })).pipe(
        Effect.provide(settingsLayer(yield* settings))
      )
      const now = yield* UnixTime.now
      yield* printKey(key, now, given.json, true)
    }).pipe(
      Effect.catchTags({ CredentialRefused: Text.credentialRefused, StoreError: Text.storeFailed })
    )
).pipe(Command.withDescription("Issue a key, or replace the one of the same holder"))

const revoke = Command.make("revoke", { target: Args.text({ name: "target" }), json }, (given) =>
  Effect.gen(function* () {
    const asSubject = yield* Effect.option(Text.subjectArgument(given.target))
    const count = yield* withTsigKeys(
      Option.isSome(asSubject)
        ? TsigCredentials.revokeAll(asSubject.value)
        : Effect.map(TsigCredentials.revoke(given.target), Number)
    ).pipe(withTrail)
    if (count === 0) return yield* failed(`error: no live TSIG key matches '${given.target}'`)
    yield* given.json
      ? Text.printJson({ target: given.target, revoked: count })
      : Console.log(`revoked ${count} TSIG key(s) for '${given.target}'`)
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Revoke one key by its name, or all of a subject"))

const rotate = Command.make("rotate", { name, json }, (given) =>
  Effect.gen(function* () {
    const now = yield* UnixTime.now
    const key = yield* withTsigKeys(
      Effect.gen(function* () {
        yield* found(yield* TsigKeyStore, given.name)
        const rotated = yield* TsigCredentials.rotate(given.name, `${Text.operator()}:rotate`)
        return Option.isSome(rotated)
          ? rotated.value
          : yield* failed(`error: '${given.name}' is revoked or expired; issue a new key`)
      })
    ).pipe(withTrail)
    yield* printKey(key, now, given.json, true)
  }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Give a key a new secret; name, scope and end stay"))

const rescope = Command.make(
  "rescope",
  {
    name,
    suffix: Options.text("suffix").pipe(
      Options.atLeast(1),
      Options.withDescription("A name it may write, or a pattern such as slot-*.mb-*.zone; repeat")
    ),
    json
  },
  (given) =>
    Effect.gen(function* () {
      const now = yield* UnixTime.now
      const suffixes = given.suffix.map((suffix) => suffix.toLowerCase().replace(/^\.|\.+$/g, ""))
      const wrong = suffixes.find((suffix) => !/^[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)+$/.test(suffix))
      if (wrong !== undefined) return yield* usage(`error: --suffix: '${wrong}' is no name`)
      const key = yield* withTsigKeys(
        Effect.gen(function* () {
          const store = yield* TsigKeyStore
          const held = yield* found(store, given.name)
          const allowedSuffixes = [...new Set(suffixes)].sort()
          yield* store.rescope(given.name, allowedSuffixes)
          return { ...held, allowedSuffixes }
        })
      )
      yield* printKey(key, now, given.json, false)
    }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Replace what a key may write"))

export const tsig = Command.make("tsig").pipe(
  Command.withDescription("TSIG keys of users"),
  Command.withSubcommands([list, show, issue, revoke, rotate, rescope])
)
