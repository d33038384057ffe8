/** The shape of tokens is a promise to clients; the hash is the key existing databases use. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as TokenFormat from "../../src/auth/TokenFormat.ts"

describe("TokenFormat", () => {
  it("hashes the whole token text", () => {
    assert.strictEqual(
      TokenFormat.hash(`dmp_v1_${"A".repeat(52)}`),
      "f6260ddc0c0e62ffadab1dc64f590f07528d3e6b05ca8b15874a1f697d6e1f5d"
    )
  })

  it.effect("generates tokens of its own shape, never twice", () =>
    Effect.gen(function* () {
      const tokens = yield* Effect.replicateEffect(TokenFormat.generate, 50)
      const texts = tokens.map(Redacted.value)
      assert.isTrue(texts.every(TokenFormat.isWellFormed))
      assert.strictEqual(new Set(texts).size, 50)
      assert.notInclude(String(tokens[0]), "dmp_v1_")
    })
  )

  it.each([
    `dmp_v1_${"A".repeat(51)}`,
    `dmp_v1_${"A".repeat(53)}`,
    `dmp_v1_${"a".repeat(52)}`,
    `dmp_v1_${"1".repeat(52)}`,
    `dmp_v1_${"0".repeat(52)}`,
    `dmp_v2_${"A".repeat(52)}`,
    ` dmp_v1_${"A".repeat(52)}`,
    `dmp_v1_${"A".repeat(52)}\n`,
    ""
  ])("knows %j is no token", (text) => {
    assert.isFalse(TokenFormat.isWellFormed(text))
  })
})
