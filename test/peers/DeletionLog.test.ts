import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { DeletionLog } from "../../src/peers/DeletionLog.ts"

const hash = "ab".repeat(32)
const until = 1_000_000

describe("DeletionLog", () => {
  it("remembers a deletion, and that the value lives again", () => {
    const log = new DeletionLog(10)
    assert.isUndefined(log.note("a", hash, false, 5, until))
    assert.isDefined(log.note("a", hash, true, 5, until))
    assert.isTrue(log.isDead("a", hash))
    assert.isUndefined(log.note("a", hash, true, 6, until))
    assert.isDefined(log.note("a", hash, false, 5, until))
    assert.isFalse(log.isDead("a", hash))
    assert.lengthOf(log.after(0, 10), 1)
  })

  it("hands out sequence numbers that go on after a restart", () => {
    const log = new DeletionLog(10)
    log.note("a", hash, true, 100, until)
    const again = new DeletionLog(10, log.after(0, 10))
    const next = again.note("b", hash, true, 50, until)
    assert.isAbove(next?.seq ?? 0, log.after(0, 10)[0]?.seq ?? Infinity)
    assert.deepStrictEqual(
      again.after(log.after(0, 10)[0]?.seq ?? 0, 10).map(({ owner }) => owner),
      ["b"]
    )
  })

  it("forgets what is over and the oldest beyond its capacity", () => {
    const log = new DeletionLog(2)
    log.note("over", hash, true, 1, 10)
    for (const owner of ["a", "b", "c"]) log.note(owner, hash, true, 2, until)
    log.sweep(10)
    assert.deepStrictEqual(
      log.after(0, 10).map(({ owner }) => owner),
      ["b", "c"]
    )
    assert.isFalse(log.knows("over"))
  })

  it("agrees with any other log after they have told each other all, in any order", () => {
    const event = FastCheck.record({
      node: FastCheck.nat(2),
      dead: FastCheck.boolean(),
      clock: FastCheck.integer({ min: -600_000, max: 600_000 }),
      gossip: FastCheck.option(FastCheck.tuple(FastCheck.nat(2), FastCheck.nat(2)))
    })
    FastCheck.assert(
      FastCheck.property(FastCheck.array(event, { maxLength: 40 }), (events) => {
        const logs = [0, 1, 2].map(() => new DeletionLog(100))
        const tell = (from: number, to: number) => {
          for (const { seq: _, ...account } of logs[from]!.after(0, 100))
            logs[to]!.merge(account, 1_000_000)
        }
        for (const { clock, dead, gossip, node } of events) {
          if (dead || logs[node]!.knows("a"))
            logs[node]!.note("a", hash, dead, 1_000_000 + clock, until * 2)
          if (gossip !== null) tell(gossip[0], gossip[1])
        }
        for (let round = 0; round < 2; round++)
          for (const from of [0, 1, 2]) for (const to of [0, 1, 2]) tell(from, to)
        const dead = logs.map((log) => log.isDead("a", hash))
        return dead.every((each) => each === dead[0])
      }),
      { seed: 7, numRuns: 300 }
    )
  })
})
