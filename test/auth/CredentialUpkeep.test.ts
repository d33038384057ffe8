import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, TestClock } from "effect"
import { TokensChanged } from "../../src/auth/CredentialsChanged.ts"
import * as CredentialUpkeep from "../../src/auth/CredentialUpkeep.ts"
import * as MemoryTokenStore from "../../src/auth/MemoryTokenStore.ts"
import { RegistrationConfig } from "../../src/auth/RegistrationConfig.ts"
import { TokenStore } from "../../src/auth/TokenStore.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { alice, claimOf, rowFor } from "./TokenStoreSuite.ts"
import { keyFor } from "./TsigKeyStoreSuite.ts"

const day = 86_400

/** The stores in memory and the tasks over them; counts how often tokens were said to have changed. */
const node = (settings: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    let changed = 0
    const context = yield* Layer.build(
      Layer.mergeAll(
        MemoryTokenStore.layer,
        TsigKeyStore.layerMemory,
        RegistrationConfig.layer,
        Layer.succeed(
          TokensChanged,
          Effect.sync(() => void changed++)
        )
      ).pipe(
        Layer.provide(
          Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(settings))))
        )
      )
    )
    const tasks = yield* Effect.provide(CredentialUpkeep.tasks, context)
    /** What the schedule does when a task's time has come. */
    const once = Effect.forEach(
      tasks,
      ({ step }) => Effect.repeat(step, { until: (count) => count === 0 }),
      { discard: true }
    )
    return {
      once,
      tokens: Context.get(context, TokenStore),
      keys: Context.get(context, TsigKeyStore),
      changed: () => changed
    }
  })

describe("the upkeep of credentials", () => {
  it.scoped("keeps what ended for as long as is set, then forgets it and says so once", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1000 * day * 1000)
      const { changed, keys, once, tokens } = yield* node({ DMP_CREDENTIAL_RETENTION_DAYS: "10" })
      const now = 1000 * day
      const over = rowFor(alice, { issuedAt: now - 20 * day, expiresAt: now - 9 * day })
      yield* tokens.mint("register", over, claimOf(over))
      const living = rowFor(alice, {
        registeredSpk: null,
        issuedAt: now - 20 * day,
        expiresAt: null
      })
      yield* tokens.mint("issue", living, claimOf(living, { spk: over.registeredSpk }))
      yield* keys.put(keyFor("over.test", { expiresAt: now - 9 * day }))
      yield* keys.put(keyFor("revoked.test", { revoked: true }))
      yield* keys.put(keyFor("living.test"))
      yield* tokens.appendAudit([
        {
          ts: now - 100 * day,
          event: "used",
          tokenHash: null,
          subject: null,
          remoteAddr: null,
          detail: ""
        }
      ])
      const known = Effect.gen(function* () {
        const rows = yield* tokens.listTokens({ includeRevoked: true })
        return [rows.length, (yield* keys.list).map(({ name }) => name).join(" ")] as const
      })
      yield* once
      assert.deepStrictEqual(yield* known, [2, "living.test over.test revoked.test"])
      assert.strictEqual(changed(), 0)
      const used = Effect.map(tokens.tailAudit({ limit: 99 }), (rows) =>
        rows.filter(({ event }) => event === "used")
      )
      assert.deepStrictEqual(yield* used, [])
      yield* TestClock.setTime((now + day) * 1000)
      yield* once
      assert.deepStrictEqual(yield* known, [1, "living.test revoked.test"])
      assert.strictEqual(changed(), 1)
      yield* TestClock.setTime((now + 10 * day) * 1000)
      yield* once
      assert.deepStrictEqual(yield* known, [1, "living.test"])
      assert.strictEqual(changed(), 1)
    })
  )
})
