import { assert, describe, it } from "@effect/vitest"
import { Worker } from "node:worker_threads"
import { unsafeMake } from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import type { RowChange } from "../../src/zone/RecordStore.ts"
import { namesOfRace, valuesOf } from "../fixtures/ZoneRace.ts"

const readers = 2
const rounds = 4000

interface Verdict {
  readonly reads: number
  readonly wrong: string | undefined
}

const next = <A>(worker: Worker): Promise<A> =>
  new Promise((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })

/** One name's way from the values of one round to those of another, at once. */
const changes = (name: number, from: number, to: number): ReadonlyArray<RowChange> => {
  const owner = unsafeMake(namesOfRace[name] ?? "")
  return [
    ...valuesOf(name, from).map(({ value }): RowChange => ({ _tag: "Remove", owner, value })),
    ...valuesOf(name, to).map(({ expiresAt, value }): RowChange => ({
      _tag: "Put",
      row: { owner, value, ttl: 1, createdAt: 0, expiresAt }
    }))
  ]
}

describe("a zone that is read while it changes", () => {
  it("never shows what it never held, to any thread, through growth and change of sizes", async () => {
    const zone = new LiveZone(0)
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const threads = Array.from(
      { length: readers },
      () =>
        new Worker(new URL("../fixtures/zoneReaderThread.ts", import.meta.url), {
          workerData: { memory: zone.memory, stop }
        })
    )
    await Promise.all(threads.map((thread) => next(thread)))
    const verdicts = threads.map((thread) => next<Verdict>(thread))
    const at = namesOfRace.map(() => 0)
    for (let round = 1; round <= rounds; round++) {
      const name = round % namesOfRace.length
      zone.apply(changes(name, at[name] ?? 0, round))
      at[name] = round
      // Readers need a moment in which nothing changes, as there is between packets of a node.
      for (const until = performance.now() + (round % 8) / 200; performance.now() < until;);
      // What grows the table and the buffer, and goes again.
      if (round % 50 === 0) {
        const owner = (i: number) => unsafeMake(`grow${i % 4000}.race.test`)
        const value = "g".repeat(1000)
        for (let i = round; i < round + 50; i++) {
          const row = { owner: owner(i), value, ttl: 1, createdAt: 0, expiresAt: 4e9 }
          zone.apply([{ _tag: "Put", row }])
          zone.apply([{ _tag: "Remove", owner: owner(i + 2500), value }])
        }
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    Atomics.store(stop, 0, 1)
    for (const { reads, wrong } of await Promise.all(verdicts)) {
      assert.isUndefined(wrong)
      assert.isAbove(reads, 100)
    }
  })
})
