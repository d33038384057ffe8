import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { lifetimes, make } from "../../src/auth/OperatorSession.ts"

const now = 1_700_000_000

describe("an operator's session", () => {
  it("is read back until it is over", () => {
    const sessions = make()
    const session = sessions.open("operator", now)
    const sealed = sessions.seal(session)
    assert.deepStrictEqual(sessions.read(sealed, now), session)
    assert.deepStrictEqual(sessions.read(sealed, now + lifetimes.operator - 1), session)
    assert.strictEqual(sessions.read(sealed, now + lifetimes.operator), undefined)
  })

  it("ends for good when it is ended, and no other with it", () => {
    const sessions = make()
    const [one, other] = [sessions.open("operator", now), sessions.open("operator", now)]
    sessions.end(one, now)
    assert.strictEqual(sessions.read(sessions.seal(one), now), undefined)
    assert.deepStrictEqual(sessions.read(sessions.seal(other), now), other)
  })

  it("is worth nothing to another process, nor a visitor's as an operator's", () => {
    const sessions = make()
    assert.strictEqual(make().read(sessions.seal(sessions.open("operator", now)), now), undefined)
    const visitor = sessions.seal(sessions.open("visitor", now))
    assert.strictEqual(sessions.read(visitor.replace(/^visitor/, "operator"), now), undefined)
  })

  it("does not survive any change of what the browser holds", () => {
    const sessions = make()
    const sealed = sessions.seal(sessions.open("operator", now))
    FastCheck.assert(
      FastCheck.property(
        FastCheck.nat(sealed.length - 2),
        FastCheck.constantFrom(..."ABCxyz019._-"),
        (at, character) => {
          const changed = sealed.slice(0, at) + character + sealed.slice(at + 1)
          return changed === sealed || sessions.read(changed, now) === undefined
        }
      ),
      { numRuns: 300 }
    )
    for (const hostile of ["", ".", "operator", "a".repeat(10_000), `${sealed}x`])
      assert.strictEqual(sessions.read(hostile, now), undefined)
  })

  it("has a form token of its own", () => {
    const sessions = make()
    const [one, other] = [sessions.open("operator", now), sessions.open("operator", now)]
    assert.isTrue(sessions.isFormToken(one, sessions.formToken(one)))
    assert.isFalse(sessions.isFormToken(other, sessions.formToken(one)))
    assert.isFalse(sessions.isFormToken(one, ""))
    // The cookie's signature is no form token: who sees one does not have the other.
    assert.isFalse(sessions.isFormToken(one, sessions.seal(one).split(".")[3] ?? ""))
  })
})
