import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { Pending } from "../../src/sql/Pending.ts"

describe("replies that are waited for", () => {
  it("reach whoever waits for them, once, whatever their order", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.nat({ max: 30 }), { maxLength: 200 }),
        (steps) => {
          const pending = new Pending<string>()
          const got: Array<string> = []
          const asked: Array<number> = []
          const open = new Map<number, string>()
          for (const step of steps) {
            const id = asked[step]
            if (id === undefined) {
              const next = pending.next()
              assert.notInclude(asked, next)
              asked.push(next)
              open.set(next, `${asked.length}`)
              const name = `${asked.length}`
              pending.add(next, (reply) => got.push(`${name}: ${reply}`))
            } else {
              const name = open.get(id)
              const before = got.length
              pending.take(id)?.("reply")
              assert.deepStrictEqual(
                got.slice(before),
                name === undefined ? [] : [`${name}: reply`]
              )
              open.delete(id)
            }
          }
          const before = got.length
          for (const resume of pending.takeAll()) resume("gone")
          assert.deepStrictEqual(
            got.slice(before).sort(),
            [...open.values()].map((name) => `${name}: gone`).sort()
          )
        }
      )
    )
  })

  it("wait for nothing where the number was asked for in vain", () => {
    const pending = new Pending<string>()
    const vain = pending.next()
    assert.isUndefined(pending.take(vain))
    const id = pending.next()
    const got: Array<string> = []
    pending.add(id, (reply) => got.push(reply))
    assert.notStrictEqual(id, vain)
    assert.isUndefined(pending.take(vain))
    pending.take(id)?.("reply")
    assert.deepStrictEqual(got, ["reply"])
  })
})
