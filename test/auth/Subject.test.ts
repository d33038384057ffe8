/** Two spellings of one subject must meet, and no look-alike may pass for another. */
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import * as Subject from "../../src/auth/Subject.ts"

const accepted = (input: unknown) => Either.getOrUndefined(Subject.parse(input))
const refusal = (input: unknown) =>
  Either.match(Subject.parse(input), { onLeft: (e) => e.message, onRight: () => "accepted" })

describe("Subject", () => {
  it.each([
    ["alice@example.com", "alice@example.com"],
    ["  Alice@Example.COM\n", "alice@example.com"],
    ["ａｌｉｃｅ@example.com", "alice@example.com"],
    ["a.b+c_d-e@x.y", "a.b+c_d-e@x.y"],
    [`${"a".repeat(60)}@mesh.example.org`, `${"a".repeat(60)}@mesh.example.org`]
  ])("brings %j into one form", (input, canonical) => {
    assert.strictEqual(accepted(input), canonical)
  })

  it.each([
    ["alice", "subject does not match <local>@<fqdn> shape: 'alice'"],
    ["", "subject must be a non-empty string"],
    [7, "subject must be a non-empty string"],
    ["аlice@example.com", "subject must be ASCII; got non-ASCII character at position 0"],
    ["alice@exаmple.com", "subject must be ASCII; got non-ASCII character at position 8"]
  ])("says why %j is none", (input, message) => {
    assert.strictEqual(refusal(input), message)
  })

  it.each([
    "a..b@example.com",
    "a.@example.com",
    ".a@example.com",
    "alice@example",
    "alice@example.com.",
    "alice@ex_ample.com",
    "alice@-example.com",
    `alice@${"a".repeat(64)}.com`,
    `${"a".repeat(300)}@example.com`,
    `alice@${"a.".repeat(130)}com`,
    "alice@bob@example.com",
    "al ice@example.com",
    "alice@example.com\u0000"
  ])("refuses %j", (input) => {
    assert.isUndefined(accepted(input))
  })

  it("keeps what it has made canonical", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (left, right) => {
        const once = accepted(`${left}@${right}`)
        if (once !== undefined) assert.strictEqual(accepted(once), once)
      }),
      { numRuns: 300 }
    )
  })

  it("takes time linear in hostile input", () => {
    const started = performance.now()
    for (let i = 0; i < 50; i++) Subject.parse("a.".repeat(511) + "@")
    Subject.parse("-".repeat(5_000_000))
    assert.isBelow(performance.now() - started, 500)
  })

  it("hashes the local part as the clients do", () => {
    const alice = Subject.unsafeMake("alice@example.com")
    assert.strictEqual(Subject.hash16(alice), "2bd806c97f0e00af")
    assert.strictEqual(Subject.hash12(alice), "2bd806c97f0e")
  })
})
