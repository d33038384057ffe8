/** What every RecordStore promises. Run against each layer that provides one, fresh per test. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck as fc, type Layer, Stream, TestClock } from "effect"
import * as Name from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { RecordStore, type RowChange, type StoreError } from "../../src/zone/RecordStore.ts"
import type { StoredTxt } from "../../src/zone/TxtRecord.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"

/** The clock of these tests, in Unix seconds. */
export const now = 1_790_000_000
export const start = { storedTs: 0, owner: "", valueHash: "" }

export const row = (owner: string, value: string, expiresAt = now + 60): StoredTxt => ({
  owner: Name.unsafeMake(owner),
  value,
  ttl: 60,
  createdAt: now,
  expiresAt
})
export const put = (owner: string, value: string, expiresAt?: number): RowChange => ({
  _tag: "Put",
  row: row(owner, value, expiresAt)
})
export const remove = (owner: string, value: string): RowChange => ({
  _tag: "Remove",
  owner: Name.unsafeMake(owner),
  value
})

const live = (at: number) =>
  Effect.gen(function* () {
    const store = yield* RecordStore
    return Chunk.toReadonlyArray(yield* Stream.runCollect(store.live(at))).flat()
  })
/** What is live, whole, ordered by owner, then by last write. */
export const liveRows = (at = now) =>
  Effect.gen(function* () {
    const store = yield* RecordStore
    const owners = new Set((yield* live(at)).map(([owner]) => owner))
    return yield* store.rowsAt([...owners], at)
  })
export const liveNames = (at = now) =>
  Effect.map(live(at), (rows) => rows.map(([owner, value]) => `${owner} ${value}`))

export const suite = <E>(label: string, layer: () => Layer.Layer<RecordStore, E>) => {
  const holds = (name: string, body: Effect.Effect<void, unknown, RecordStore>) =>
    it.effect(name, () =>
      TestClock.setTime(now * 1000).pipe(Effect.zipRight(body), Effect.provide(layer()))
    )

  describe(`RecordStore (${label})`, () => {
    holds(
      "takes what is submitted as what is committed",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const { submit } = store
        if (submit === undefined) return
        const submitted = (...changes: ReadonlyArray<RowChange>) =>
          Effect.async<void, StoreError>((resume) => submit(changes, resume))
        yield* submitted(put("a.example", "1"), put("b.example", "2"))
        yield* submitted(put("a.example", "1", now + 90))
        yield* submitted(remove("b.example", "2"))
        yield* submitted()
        assert.deepStrictEqual(yield* liveRows(), [row("a.example", "1", now + 90)])
        assert.strictEqual(yield* store.newest, now * 1000 + 1)
      })
    )

    holds(
      "gives back what was committed, ordered by owner, then by last write",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("b.example", "1"), put("a.example", "2")])
        yield* store.commit([put("a.example", "1"), put("a.example", "3", now + 5)])
        yield* store.commit([put("a.example", "2", now + 90)])
        assert.deepStrictEqual(yield* liveRows(), [
          row("a.example", "1"),
          row("a.example", "3", now + 5),
          row("a.example", "2", now + 90),
          row("b.example", "1")
        ])
      })
    )

    holds(
      "lists what is live in the order of the commits that wrote it",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("b.example", "1"), put("a.example", "2")])
        yield* store.commit([put("a.example", "1"), put("a.example", "3", now + 5)])
        yield* store.commit([put("b.example", "1", now + 90)])
        const [listed = []] = Chunk.toReadonlyArray(yield* Stream.runCollect(store.live(now)))
        assert.deepStrictEqual(
          listed.map(([owner, value, expiresAt]) => [owner, value, expiresAt - now]),
          [
            ["a.example", "2", 60],
            ["a.example", "1", 60],
            ["a.example", "3", 5],
            ["b.example", "1", 90]
          ]
        )
      })
    )

    holds(
      "fills a zone with what is live, in the order of the commits that wrote it",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("b.example", "1"), put("a.example", "2")])
        yield* store.commit([put("a.example", "1"), put("a.example", "over", now)])
        yield* store.commit([put("a.example", "ü", now + 5)])
        yield* store.commit([put("a.example", "2", now + 90)])
        yield* store.commit(Array.from({ length: 2000 }, (_, i) => put(`n${i}.example`, "v")))
        const zone = new LiveZone(now)
        yield* store.fill(zone.memory, now)
        zone.refresh()
        assert.strictEqual(zone.valueCount, 2004)
        assert.deepStrictEqual(zone.live(Name.unsafeMake("a.example"), now), [
          { value: "1", expiresAt: now + 60 },
          { value: "ü", expiresAt: now + 5 },
          { value: "2", expiresAt: now + 90 }
        ])
        assert.strictEqual(zone.find(Name.toWireKey(Name.unsafeMake("example")))?.below, 2002)
        // And it goes on from there.
        assert.lengthOf(zone.apply([remove("a.example", "1"), put("new.example", "1")]), 2)
        assert.lengthOf(zone.expire(now + 5), 1)
        assert.strictEqual(zone.valueCount, 2003)
      })
    )

    holds(
      "lets a later change of the same value in one group win",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("a", "kept"), put("a", "old")])
        yield* store.commit([
          put("a", "gone"),
          remove("a", "gone"),
          remove("a", "old"),
          put("a", "old", now + 7),
          put("a", "twice", now + 1),
          put("a", "twice", now + 2),
          remove("a", "never there")
        ])
        assert.deepStrictEqual(yield* liveRows(), [
          row("a", "kept"),
          row("a", "old", now + 7),
          row("a", "twice", now + 2)
        ])
      })
    )

    holds(
      "remembers the serial marked last, and none before",
      Effect.gen(function* () {
        const store = yield* RecordStore
        assert.isUndefined(yield* store.serialMark)
        yield* store.markSerial(0xffff_ffff)
        yield* store.markSerial(7)
        assert.strictEqual(yield* store.serialMark, 7)
      })
    )

    holds(
      "commits nothing when told nothing",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([])
        yield* store.commit([remove("a", "absent")])
        assert.deepStrictEqual(yield* liveRows(), [])
      })
    )

    holds(
      "holds a row live only before the second it expires",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("a", "v", now + 10)])
        assert.deepStrictEqual(yield* liveNames(now + 9), ["a v"])
        assert.deepStrictEqual(yield* liveNames(now + 10), [])
        const owners = [Name.unsafeMake("a")]
        assert.lengthOf(yield* store.rowsAt(owners, now + 9), 1)
        assert.lengthOf(yield* store.rowsAt(owners, now + 10), 0)
        assert.lengthOf(yield* store.digest(start, 10, now + 9), 1)
        assert.lengthOf(yield* store.digest(start, 10, now + 10), 0)
      })
    )

    holds(
      "gives every commit one stored_ts, later than any before, whatever the clock does",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("c", "1"), put("b", "1")])
        yield* store.commit([put("a", "1")])
        yield* TestClock.setTime(now * 1000 - 5000)
        yield* store.commit([put("b", "1")])
        yield* TestClock.setTime(now * 1000 + 5000)
        yield* store.commit([put("d", "1"), put("e", "1")])
        const digest = yield* store.digest(start, 100, now)
        assert.deepStrictEqual(
          digest.map(({ owner, storedTs }) => [owner, storedTs - now * 1000]),
          [
            ["c", 0],
            ["a", 1],
            ["b", 2],
            ["d", 5000],
            ["e", 5000]
          ]
        )
      })
    )

    holds(
      "stamps later rows anew in steps, in their order, and goes on from there",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("early", "1")])
        yield* TestClock.setTime(now * 1000 + 9_000_000)
        yield* store.commit([put("c", "1")])
        yield* store.commit([put("b", "1"), put("a", "1")])
        yield* TestClock.setTime(now * 1000)
        assert.strictEqual(yield* store.newest, now * 1000 + 9_000_001)
        assert.strictEqual(yield* store.restamp(now * 1000 + 500, 2), 2)
        // Not before all are: a commit between two steps is still the latest of all.
        assert.strictEqual(yield* store.newest, now * 1000 + 9_000_001)
        yield* store.commit([put("between", "1")])
        assert.strictEqual(yield* store.restamp(now * 1000 + 501, 9), 2)
        assert.strictEqual(yield* store.restamp(now * 1000 + 502, 9), 0)
        assert.strictEqual(yield* store.newest, now * 1000 + 502)
        yield* store.commit([put("after", "1")])
        const digest = yield* store.digest(start, 100, now)
        assert.deepStrictEqual(
          digest.map(({ owner, storedTs }) => [owner, storedTs - now * 1000]),
          [
            ["early", 0],
            ["a", 500],
            ["c", 500],
            ["b", 501],
            ["between", 501],
            ["after", 503]
          ]
        )
        assert.strictEqual(yield* store.restamp(now * 1000 + 5000, 9), 0)
        assert.strictEqual(yield* store.newest, now * 1000 + 503)
      })
    )

    holds(
      "does not give out the stored_ts of a row that went",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("a", "1")])
        yield* store.commit([put("a", "2")])
        yield* store.commit([remove("a", "2")])
        yield* store.commit([put("a", "3")])
        const digest = yield* store.digest(start, 100, now)
        assert.deepStrictEqual(
          digest.map(({ storedTs }) => storedTs - now * 1000),
          [0, 2]
        )
      })
    )

    holds(
      "pages the digest without gap or repetition",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit(Array.from({ length: 25 }, (_, i) => put(`n${i}`, `v${i}`)))
        yield* store.commit([put("n3", "v3"), put("over", "v", now)])
        const seen: Array<string> = []
        let after = start
        for (let pages = 0; pages < 10; pages++) {
          const page = yield* store.digest(after, 7, now)
          seen.push(...page.map(({ owner }) => owner))
          const last = page.at(-1)
          if (last === undefined) break
          assert.strictEqual(last.expiresAt, now + 60)
          after = last
        }
        const others = Array.from({ length: 25 }, (_, i) => `n${i}`).filter((n) => n !== "n3")
        assert.deepStrictEqual(seen, [...others.sort(), "n3"])
        const [first] = yield* store.digest(start, 1, now)
        assert.strictEqual(first?.valueHash, valueHash("v0"))
      })
    )

    holds(
      "sweeps at most as many rows as asked, the longest over first",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([
          put("a", "1", now - 1),
          put("a", "2", now - 9),
          put("a", "3", now),
          put("a", "4", now + 1)
        ])
        assert.strictEqual((yield* store.usage(now)).expiredRows, 3)
        assert.strictEqual(yield* store.sweep(now, 2), 2)
        assert.deepStrictEqual(yield* liveNames(0), ["a 3", "a 4"])
        assert.strictEqual(yield* store.sweep(now, 2), 1)
        assert.strictEqual(yield* store.sweep(now, 2), 0)
        assert.deepStrictEqual(yield* liveNames(0), ["a 4"])
        assert.strictEqual((yield* store.usage(now)).expiredRows, 0)
      })
    )

    holds(
      "finds the rows at many owners at once",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit(Array.from({ length: 600 }, (_, i) => put(`n${i}`, "v")))
        const owners = Array.from({ length: 400 }, (_, i) => Name.unsafeMake(`n${i + 300}`))
        const rows = yield* store.rowsAt([...owners, ...owners], now)
        assert.lengthOf(rows, 300)
        assert.deepStrictEqual(yield* store.rowsAt([], now), [])
      })
    )

    holds(
      "keeps any text as it is",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const values = [
          "",
          "é\u0301 😀 \u2028 \ufeff",
          "a\0b",
          `"quoted" \\ 'and' \n\r\t`,
          "[1,2]",
          "null",
          "1e3",
          "x".repeat(100_000)
        ]
        yield* store.commit(values.map((value) => put("a", value)))
        assert.deepStrictEqual(
          (yield* liveRows()).map(({ value }) => value),
          values
        )
        const digest = yield* store.digest(start, 100, now)
        assert.deepStrictEqual(
          digest.map((entry) => entry.valueHash),
          values.map(valueHash).sort()
        )
        yield* store.commit(values.map((value) => remove("a", value)))
        assert.deepStrictEqual(yield* liveRows(), [])
      })
    )

    holds(
      "gives every live row once, however many there are and however they lie",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const changes = [
          ...Array.from({ length: 2100 }, (_, i) => put("a", `v${i}`)),
          ...Array.from({ length: 2500 }, (_, i) => put(`n${i}`, "v", now + (i % 2)))
        ]
        yield* store.commit(changes)
        const names = yield* liveNames()
        assert.lengthOf(names, 2100 + 1250)
        assert.strictEqual(new Set(names).size, names.length)
      })
    )

    holds(
      "answers the probe and changes nothing by it",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* store.commit([put("a", "1")])
        const before = yield* store.digest(start, 10, now)
        yield* store.probe
        yield* store.probe
        assert.deepStrictEqual(yield* store.digest(start, 10, now), before)
      })
    )

    holds(
      "takes writers who come at the same time",
      Effect.gen(function* () {
        const store = yield* RecordStore
        yield* Effect.forEach(
          Array.from({ length: 50 }, (_, i) => [
            put(`n${i}`, "1"),
            put("shared", "v", now + i + 1)
          ]),
          store.commit,
          { concurrency: "unbounded", discard: true }
        )
        const rows = yield* liveRows()
        assert.lengthOf(rows, 51)
        const digest = yield* store.digest(start, 100, now)
        // The last writer's two rows share one; each other writer has its own.
        assert.strictEqual(new Set(digest.map(({ storedTs }) => storedTs)).size, 50)
      })
    )

    const step = fc.record({
      owner: fc.constantFrom("a", "b", "c.b"),
      value: fc.constantFrom("1", "2", "ü"),
      expiresAt: fc.option(fc.integer({ min: now - 3, max: now + 3 }), { nil: undefined })
    })
    holds(
      "holds what its changes amount to",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const model = new Map<string, number>()
        const groups = fc.sample(fc.array(step, { maxLength: 12 }), { numRuns: 60, seed: 7 })
        for (const group of groups) {
          yield* store.commit(
            group.map(({ owner, value, expiresAt }) =>
              expiresAt === undefined ? remove(owner, value) : put(owner, value, expiresAt)
            )
          )
          for (const { owner, value, expiresAt } of group)
            if (expiresAt === undefined) model.delete(`${owner} ${value}`)
            else model.set(`${owner} ${value}`, expiresAt)
          const expected = [...model].filter(([, end]) => end > now).map(([name]) => name)
          assert.deepStrictEqual([...(yield* liveNames())].sort(), expected.sort())
        }
      })
    )
  })
}
