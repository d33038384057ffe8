import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { parentKey, toWireKey, unsafeMake } from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { put, remove } from "./Changes.ts"

const key = (name: string) => toWireKey(unsafeMake(name))

describe("LiveZone", () => {
  it("holds one RRset per owner name, the value written last at its end", () => {
    const zone = new LiveZone(0)
    zone.apply([put("a.b", "x", 10), put("a.b", "y", 10), put("a.b", "x", 20)])
    assert.deepStrictEqual(zone.live(unsafeMake("a.b"), 0), [
      { value: "y", expiresAt: 10 },
      { value: "x", expiresAt: 20 }
    ])
    assert.strictEqual(zone.valueCount, 2)
  })

  it("knows empty non-terminals exactly as long as something lies below them", () => {
    const zone = new LiveZone(0)
    zone.apply([put("slot-1.mb-x.example", "v", 10), put("slot-2.mb-x.example", "v", 10)])
    assert.strictEqual(zone.find(key("mb-x.example"))?.below, 2)
    assert.strictEqual(zone.find(key("example"))?.below, 1)
    zone.apply([remove("slot-1.mb-x.example", "v"), remove("slot-2.mb-x.example", "v")])
    assert.isUndefined(zone.find(key("mb-x.example")))
    assert.isUndefined(zone.find(key("example")))
  })

  it("lets values end in their second, and a refreshed one in its new second", () => {
    const zone = new LiveZone(100)
    zone.apply([put("a.b", "short", 110), put("a.b", "long", 110), put("a.b", "long", 120)])
    assert.deepStrictEqual(zone.expire(109), [])
    assert.deepStrictEqual(zone.expire(110), [
      { kind: "removed", key: key("a.b"), octets: "short" }
    ])
    assert.deepStrictEqual(zone.expire(119), [])
    assert.deepStrictEqual(zone.expire(500), [{ kind: "removed", key: key("a.b"), octets: "long" }])
    assert.strictEqual(zone.valueCount, 0)
  })

  it("forgets in time a value that was already over when it was put", () => {
    const zone = new LiveZone(100)
    zone.apply([put("a.b", "late", 50)])
    assert.strictEqual(zone.live(unsafeMake("a.b"), 100).length, 0)
    assert.strictEqual(zone.expire(101).length, 1)
  })

  it("gives the values that begin with a text, of whatever length", () => {
    const zone = new LiveZone(0)
    const long = `v=1;${"x".repeat(600)}`
    zone.apply([put("a.b", "v=1;", 10), put("a.b", "v=1", 10), put("c.b", long, 10)])
    zone.apply([put("d.b", "v=2;a", 10), put("d.b", "", 10), put("e.b", "v=1;b", 10)])
    assert.deepStrictEqual([...zone.beginning("v=1;")].sort(), ["v=1;", "v=1;b", long])
  })

  it("holds values larger than any message, and lets their memory go again", () => {
    const zone = new LiveZone(0)
    const values = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(70_000 * (i + 1)))
    for (let round = 0; round < 20; round++) {
      zone.apply(values.map((value) => put("large.b", value, 10)))
      assert.deepStrictEqual(
        zone.live(unsafeMake("large.b"), 0).map(({ value }) => value),
        values
      )
      zone.apply(values.map((value) => remove("large.b", value)))
    }
    assert.isBelow(zone.memory.byteLength, 6e6)
  })

  it("gives back text of any script as it was put", () => {
    const zone = new LiveZone(0)
    zone.apply([put("a.b", "grüß 🌍", 10)])
    assert.strictEqual(zone.live(unsafeMake("a.b"), 0)[0]?.value, "grüß 🌍")
    assert.strictEqual(zone.find(key("a.b"))?.txts[0]?.octets.length, 11)
    zone.apply([remove("a.b", "grüß 🌍")])
    assert.strictEqual(zone.valueCount, 0)
  })

  const label = FastCheck.constantFrom("a", "b", "c")
  const owner = FastCheck.array(label, { minLength: 1, maxLength: 4 }).map((it) => it.join("."))
  const step = FastCheck.oneof(
    FastCheck.record({ owner, value: label, at: FastCheck.integer({ min: 1, max: 40 }) }).map(
      (it) => ({ ...it, kind: "put" as const })
    ),
    FastCheck.record({ owner, value: label }).map((it) => ({ ...it, kind: "remove" as const })),
    FastCheck.integer({ min: 0, max: 3 }).map((by) => ({ kind: "wait" as const, by }))
  )

  it("agrees with a model that keeps a plain list, whatever happens", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(step, { maxLength: 60 }), (steps) => {
        const zone = new LiveZone(0)
        const model = new Map<string, Map<string, number>>()
        let now = 0
        for (const it of steps) {
          if (it.kind === "put") {
            zone.apply([put(it.owner, it.value, it.at)])
            const rrset = model.get(it.owner) ?? new Map<string, number>()
            rrset.delete(it.value)
            model.set(it.owner, rrset.set(it.value, it.at))
          } else if (it.kind === "remove") {
            zone.apply([remove(it.owner, it.value)])
            model.get(it.owner)?.delete(it.value)
          } else {
            now += it.by
            zone.expire(now)
          }
        }
        zone.expire(++now)
        for (const rrset of model.values())
          for (const [value, at] of rrset) if (at <= now) rrset.delete(value)
        const below = new Map<string, Set<string>>()
        let count = 0
        for (const [name, rrset] of model) {
          assert.deepStrictEqual(
            zone.live(unsafeMake(name), now).map((txt) => txt.value),
            [...rrset.keys()]
          )
          count += rrset.size
          if (rrset.size === 0) continue
          for (let at = key(name); parentKey(at).length > 0; at = parentKey(at))
            below.set(parentKey(at), (below.get(parentKey(at)) ?? new Set()).add(at))
        }
        assert.strictEqual(zone.valueCount, count)
        for (const [at, nodes] of below)
          assert.strictEqual(zone.find(at as never)?.below, nodes.size)
        for (const [at, node] of zone.entries())
          assert.isTrue(node.txts.length > 0 || below.has(at), "a node nothing needs")
      }),
      { numRuns: 300 }
    )
  })
})
