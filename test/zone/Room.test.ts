/** A zone whose memory ends: what is let in is held and answered, and nothing else is durable. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck as fc, Layer } from "effect"
import { endingOf } from "../../src/dns/UpdateEnding.ts"
import * as Refusal from "../../src/http/Refusal.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { ContentPolicy } from "../../src/zone/ContentPolicy.ts"
import { LimitExceeded, Limits } from "../../src/zone/Limits.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { RecordStore, type RowChange } from "../../src/zone/RecordStore.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import { put, remove } from "./Changes.ts"

/** A few pages above what an empty zone takes. */
const limit = 2 ** 20

const name = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: 2000 }).map((n) => `n${n}.mesh.test`) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.nat({ max: 30 }), { minLength: 3, maxLength: 20 })
      .map((labels) => labels.map((n) => `l${n}`).join("."))
  }
)
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 600 }) },
  { weight: 2, arbitrary: fc.nat({ max: 9000 }) },
  { weight: 1, arbitrary: fc.nat({ max: 60_000 }) }
)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("put" as const),
      rows: fc.array(fc.tuple(name, length), { minLength: 1, maxLength: 30 })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("remove" as const),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 40 })
    })
  }
)

describe("Room", () => {
  it("lets in only what fits, whatever has come and gone before", () => {
    let refusals = 0
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), (steps) => {
        const zone = new LiveZone(0, undefined, limit)
        const held = new Map<string, readonly [owner: string, value: string]>()
        for (const it of steps) {
          if (it.does === "put") {
            const rows = it.rows.map(([owner, size]) => put(owner, `${size} `.padEnd(size, "x")))
            if (!zone.room().take(rows)) {
              refusals++
              continue
            }
            zone.apply(rows)
            for (const row of rows)
              if (row._tag === "Put")
                held.set(`${row.row.owner} ${row.row.value}`, [row.row.owner, row.row.value])
          } else
            for (const pick of it.picks) {
              const [key, row] = [...held][pick % Math.max(1, held.size)] ?? []
              if (key === undefined || row === undefined) continue
              zone.apply([remove(...row)])
              held.delete(key)
            }
          assert.strictEqual(zone.valueCount, held.size)
          assert.isAtMost(zone.room().octets, zone.room().limit)
        }
        for (const [owner, value] of held.values())
          assert.isTrue(
            zone.live(unsafeMake(owner), 0).some((txt) => txt.value === value),
            `${owner} is held`
          )
        zone.apply([...held.values()].map(([owner, value]) => remove(owner, value)))
        assert.isTrue(zone.room().take([put("again.mesh.test", "x".repeat(60_000))]))
      }),
      { numRuns: 60 }
    )
    assert.isAbove(refusals, 0)
  })

  it("refuses little that would have fitted", () => {
    const zone = new LiveZone(0, undefined, limit)
    const empty = zone.room().octets
    for (let n = 0; ; n++) {
      const rows = [put(`n${n}.mesh.test`, `${n}`.padEnd(300, "x"))]
      if (!zone.room().take(rows)) break
      zone.apply(rows)
    }
    const { octets } = zone.room()
    assert.isAbove((octets - empty) / (limit - empty), 0.7)
  })

  it("counts what the requests of one group take together", () => {
    const zone = new LiveZone(0, undefined, limit)
    const room = zone.room()
    const admitted: Array<RowChange> = []
    for (let n = 0; ; n++) {
      const row = put(`n${n}.mesh.test`, "x".repeat(20_000))
      if (!room.take([row])) break
      admitted.push(row)
    }
    assert.isAbove(admitted.length, 3)
    zone.apply(admitted)
    assert.strictEqual(zone.valueCount, admitted.length)
  })
})

describe("a node whose memory is full", () => {
  it("says at both doors that it is worth trying again", () => {
    const error = new LimitExceeded({ limit: "memory", cap: limit })
    const { code, status } = Refusal.limitExceeded(error, "a.mesh.test")
    assert.deepStrictEqual([status, code], [507, "node-full"])
    assert.deepStrictEqual(endingOf(error), { rcode: "SERVFAIL", passing: true })
  })

  const node = (zone: LiveZone, store: RecordStore["Type"]) =>
    Publisher.layer.pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          Layer.succeed(AnswerIndex, zone),
          Layer.succeed(RecordStore, store),
          ChangeFeed.layer,
          Limits.layer({ maxValuesPerName: 0 }),
          ContentPolicy.layerAcceptAll
        )
      )
    )
  const grant = WriteGrant.everything("test")
  const add = (n: number) =>
    ({
      _tag: "Add",
      record: { owner: unsafeMake(`n${n}.mesh.test`), value: "x".repeat(1500), ttl: 600 }
    }) as const
  const publish = (...ns: ReadonlyArray<number>) =>
    Effect.flatMap(Publisher, (publisher) =>
      publisher.applyEach(ns.map((n) => ({ grant, changes: [add(n)] })))
    )
  const outcome = (n: number) =>
    Effect.flatMap(Publisher, (publisher) =>
      Effect.either(publisher.apply({ grant, changes: [add(n)] }))
    )

  it.effect("keeps what it acknowledged and nothing else, and takes more once some is gone", () =>
    Effect.gen(function* () {
      const store = yield* RecordStore
      const zone = new LiveZone(0, undefined, limit)
      const rows = Effect.map(
        Effect.flatMap(RecordStore, (store) => store.digest(start, 100_000, 0)),
        (found) => found.map(({ owner }) => String(owner)).sort()
      )
      const acknowledged = new Set<string>()
      yield* Effect.gen(function* () {
        let taken = 50
        for (let n = 0; taken === 50; n += 50) {
          const exits = yield* publish(...Array.from({ length: 50 }, (_, at) => n + at))
          const names = exits.flatMap((exit, at) =>
            exit._tag === "Success" ? [`n${n + at}.mesh.test`] : []
          )
          for (const name of names) acknowledged.add(name)
          taken = names.length
        }
        let refusal = yield* outcome(1_000_000)
        for (let n = 1_000_001; Either.isRight(refusal); n++) {
          acknowledged.add(`n${n - 1}.mesh.test`)
          refusal = yield* outcome(n)
        }
        assert.deepInclude(refusal.left, {
          _tag: "LimitExceeded",
          limit: "memory",
          cap: limit
        })
        assert.strictEqual(zone.valueCount, acknowledged.size)
        assert.deepStrictEqual(yield* rows, [...acknowledged].sort())

        // What is there gets its new life, and what goes makes room.
        assert.isTrue(Either.isRight(yield* outcome(0)))
        const publisher = yield* Publisher
        yield* publisher.apply({
          grant,
          changes: Array.from({ length: 40 }, (_, n) => ({
            _tag: "DeleteRrset",
            owner: unsafeMake(`n${n}.mesh.test`)
          }))
        })
        for (let n = 0; n < 40; n++) acknowledged.delete(`n${n}.mesh.test`)
        assert.isTrue(Either.isRight(yield* outcome(2_000_000)))
        acknowledged.add("n2000000.mesh.test")
      }).pipe(Effect.provide(node(zone, store)))

      // Another start reads all of it into as much memory.
      const again = new LiveZone(0, undefined, limit)
      yield* store.fill(again.memory, 0)
      again.refresh()
      assert.strictEqual(again.valueCount, acknowledged.size)
    }).pipe(Effect.provide(RecordStore.layerMemory))
  )
})

const start = { storedTs: 0, owner: "", valueHash: "" }
