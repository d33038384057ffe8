import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Redacted } from "effect"
import { matcher } from "../../src/auth/OperatorToken.ts"

describe("OperatorToken", () => {
  it("matches exactly its own octets, in UTF-8", () => {
    const matches = matcher(Redacted.make("tøken"))
    assert.isTrue(matches(Buffer.from("tøken", "utf8")))
    for (const other of ["", "tøke", "tøken ", "token", "TØKEN"])
      assert.isFalse(matches(Buffer.from(other, "utf8")), other)
  })

  it.prop(
    "matches nothing else",
    [fc.string({ minLength: 1 }), fc.string()],
    ([token, presented]) =>
      assert.strictEqual(
        matcher(Redacted.make(token))(Buffer.from(presented, "utf8")),
        Buffer.from(token, "utf8").equals(Buffer.from(presented, "utf8"))
      ),
    { fastCheck: { numRuns: 100 } }
  )
})
