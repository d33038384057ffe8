import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { config } from "../../src/auth/UpdateConfig.ts"

type Environment = Readonly<Record<string, string>>

const multiTenant = { DMP_AUTH_MODE: "multi-tenant" }

describe("who claims are taken for", () => {
  it.effect.each<readonly [Environment, string]>([
    [{}, "everybody"],
    [{ DMP_AUTH_MODE: "legacy" }, "everybody"],
    [{ DMP_CLAIM_PROVIDER: "0" }, "nobody"],
    [{ DMP_CLAIM_PROVIDER: "0", DMP_RECEIVER_CLAIM_NOTIFICATIONS: "1" }, "users"],
    [{ DMP_RECEIVER_CLAIM_NOTIFICATIONS: "1" }, "everybody"],
    [multiTenant, "users"],
    [{ ...multiTenant, DMP_CLAIM_PROVIDER: "1" }, "everybody"],
    [{ ...multiTenant, DMP_CLAIM_PROVIDER: "0" }, "nobody"],
    [{ ...multiTenant, DMP_RECEIVER_CLAIM_NOTIFICATIONS: "0" }, "nobody"],
    [{ ...multiTenant, DMP_CLAIM_PROVIDER: "0", DMP_RECEIVER_CLAIM_NOTIFICATIONS: "1" }, "users"]
  ])("with %o is %s", ([env, expected]) =>
    Effect.gen(function* () {
      const roles = yield* Effect.withConfigProvider(
        config,
        ConfigProvider.fromMap(new Map(Object.entries(env)))
      )
      const taken = roles.claimProvider ? "everybody" : roles.receiverClaims ? "users" : "nobody"
      assert.strictEqual(taken, expected)
    })
  )
})
