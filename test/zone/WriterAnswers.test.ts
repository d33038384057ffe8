import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { setTimeout } from "node:timers/promises"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import { Waiting, WriterAnswers } from "../../src/zone/WriterAnswers.ts"

const exit = Exit.succeed({ added: 1, refreshed: 0, removed: 0 })

describe("answers to writers", () => {
  it("reach all the others when one of them throws", async () => {
    const told: Array<number> = []
    const defects: Array<unknown> = []
    let emptied = 0
    const answers = new WriterAnswers(
      () => emptied++,
      (defect) => defects.push(defect)
    )
    const from = (first: number) =>
      Array.from({ length: 40 }, (_, i) => ({
        entry: new Waiting({ grant: WriteGrant.open, changes: [] }, () => {
          if (i % 20 === 3) throw new Error("a bug")
          told.push(first + i)
        }),
        exit
      }))
    answers.give(from(0))
    await setTimeout(20)
    answers.give(from(40))
    await setTimeout(20)
    assert.strictEqual(told.length, 76)
    assert.strictEqual(defects.length, 4)
    assert.isTrue(answers.isEmpty)
    assert.strictEqual(emptied, 2)
  })
})
