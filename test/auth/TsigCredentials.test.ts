/** What the operator does to TSIG keys counts at once: the clock stands still in all of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import * as Credentials from "../../src/auth/Credentials.ts"
import { TsigKeysChanged } from "../../src/auth/CredentialsChanged.ts"
import { TokenStore } from "../../src/auth/TokenStore.ts"
import * as TsigCredentials from "../../src/auth/TsigCredentials.ts"
import { canonicalName } from "../../src/auth/TsigKey.ts"
import { TsigKeys } from "../../src/auth/TsigKeys.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { StoreError } from "../../src/zone/RecordStore.ts"
import { credentials } from "./Fixture.ts"

const changed = Layer.effect(
  TsigKeysChanged,
  Effect.map(TsigKeys, ({ refresh }) => refresh)
)
const node = changed.pipe(Layer.provideMerge(TsigKeys.layer), Layer.provideMerge(credentials()))

const request = {
  subject: "alice@example.com",
  spk: "04".repeat(32),
  x25519Pub: "",
  lifetime: Option.none<number>(),
  issuer: "test"
}

const secretInForce = (name: string) =>
  Effect.map(TsigKeys, (keys) => keys.find(canonicalName(name), 0)?.row.secret)

const trail = Effect.map(
  Effect.flatMap(TokenStore, (store) => store.tailAudit({ limit: 9 })),
  (rows) => rows.map(({ detail, event, subject }) => [event, subject, detail])
)

describe("TSIG keys of the operator's", () => {
  it.effect("sign at once, with the new secret at once, and no more at once", () =>
    Effect.gen(function* () {
      const { name, secret } = yield* TsigCredentials.issue(request)
      assert.deepStrictEqual(yield* secretInForce(name), secret)
      const rotated = Option.getOrThrow(yield* TsigCredentials.rotate(`${name}.`, "test"))
      assert.notDeepEqual(rotated.secret, secret)
      assert.deepStrictEqual(yield* secretInForce(name), rotated.secret)
      assert.isTrue(yield* TsigCredentials.revoke(name))
      assert.isUndefined(yield* secretInForce(name))
      assert.isFalse(yield* TsigCredentials.revoke(name))
      assert.isTrue(Option.isNone(yield* TsigCredentials.rotate(name, "test")))
      assert.deepStrictEqual(yield* trail, [
        ["revoked", request.subject, `TSIG key ${name}`],
        ["issued", request.subject, `TSIG key ${name} issuer='test'`],
        ["issued", request.subject, `TSIG key ${name} issuer='test'`]
      ])
    }).pipe(Effect.provide(node))
  )

  it.effect("end with everything else of their subject, at once", () =>
    Effect.gen(function* () {
      const { name } = yield* TsigCredentials.issue(request)
      assert.strictEqual(yield* Credentials.revokeSubject(request.subject), 1)
      assert.isUndefined(yield* secretInForce(name))
      assert.deepStrictEqual((yield* trail)[0], [
        "revoked",
        request.subject,
        "TSIG keys by_subject count=1"
      ])
    }).pipe(Effect.provide(node))
  )

  it.effect("end although the trail cannot be written", () =>
    Effect.gen(function* () {
      const { name } = yield* TsigCredentials.issue(request)
      const store = yield* TokenStore
      const full = {
        ...store,
        appendAudit: () => new StoreError({ reason: "disk-full", message: "" })
      }
      assert.isTrue(yield* Effect.provideService(TsigCredentials.revoke(name), TokenStore, full))
      assert.isUndefined(yield* secretInForce(name))
    }).pipe(Effect.provide(node))
  )

  it.effect("need no token database to be revoked beside a node", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* TsigCredentials.revoke("nobody.example.com"))
      assert.isTrue(Option.isNone(yield* TsigCredentials.rotate("nobody.example.com", "test")))
    }).pipe(Effect.provide(TsigKeyStore.layerMemory))
  )
})
