/** Trust in keys at first sight: what is taken, what is kept out, and how much of it there is. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { PinBook } from "../../src/peers/PinBook.ts"

const none = new Set<string>()
const day = 86_400
const met = (
  book: PinBook,
  zone: string,
  keys: ReadonlyArray<string>,
  now: number,
  linked = none
) => book.meet(zone, new Set(keys), linked, now)

describe("PinBook", () => {
  it("takes the keys a zone is first seen with, and no others after that", () => {
    const book = new PinBook([])
    assert.strictEqual(book.standing("a.org", "x"), "unpinned")
    assert.isEmpty(met(book, "a.org", ["k1", "k2"], 0).foreign)
    assert.deepStrictEqual(met(book, "a.org", ["k1", "k3"], 100).foreign, ["k3"])
    assert.strictEqual(book.standing("a.org", "k3"), "foreign")
    assert.strictEqual(book.standing("a.org", "k2"), "pinned")
    assert.strictEqual(book.standing("b.org", "k3"), "unpinned")
  })

  it("takes a key that pinned ones lead to at once", () => {
    const book = new PinBook([])
    met(book, "a.org", ["k1"], 0)
    const meeting = met(book, "a.org", ["k2"], 100, new Set(["k2"]))
    assert.isEmpty(meeting.foreign)
    assert.strictEqual(book.standing("a.org", "k2"), "pinned")
    assert.deepStrictEqual(
      meeting.changed.map((pin) => pin.operatorSpkHex),
      ["k2"]
    )
  })

  it("follows a zone through more rotations than it can have keys", () => {
    const book = new PinBook([])
    met(book, "a.org", ["k0"], 0)
    const stored = new Set(["k0"])
    for (let at = 1; at <= 40; at++) {
      const { changed, foreign, gone } = met(book, "a.org", [`k${at}`], at, new Set([`k${at}`]))
      assert.isEmpty(foreign)
      for (const pin of changed) stored.add(pin.operatorSpkHex)
      for (const pin of gone) stored.delete(pin.operatorSpkHex)
      assert.strictEqual(book.standing("a.org", `k${at}`), "pinned")
    }
    assert.strictEqual(stored.size, 16)
    assert.deepStrictEqual(book.pinned("a.org"), stored)
  })

  it("takes a key that stood beside a pinned one for a week, without a day's gap", () => {
    const meet = (book: PinBook, keys: ReadonlyArray<string>, from: number, to: number) => {
      let last: ReadonlyArray<string> = []
      for (let now = from; now <= to; now += 1800) last = met(book, "a.org", keys, now).foreign
      return last
    }
    const book = new PinBook([])
    met(book, "a.org", ["k1"], 0)
    assert.deepStrictEqual(meet(book, ["k1", "k2"], 1800, 7 * day), ["k2"])
    assert.isEmpty(meet(book, ["k1", "k2"], 7 * day, 7 * day + 3600))

    const alone = new PinBook([])
    met(alone, "a.org", ["k1"], 0)
    assert.deepStrictEqual(meet(alone, ["k2"], 1800, 9 * day), ["k2"])

    const broken = new PinBook([])
    met(broken, "a.org", ["k1"], 0)
    meet(broken, ["k1", "k2"], 0, 6 * day)
    assert.deepStrictEqual(meet(broken, ["k1", "k2"], 8 * day, 14 * day), ["k2"])
  })

  it("goes on after a restart from what was stored", () => {
    const stored = new Map<string, ReturnType<typeof met>["changed"][number]>()
    const first = new PinBook([])
    for (const { changed } of [
      met(first, "a.org", ["k1", "k2"], 0),
      met(first, "a.org", ["k1", "k3"], 7200)
    ])
      for (const pin of changed) stored.set(pin.operatorSpkHex, pin)
    const again = new PinBook([...stored.values()])
    for (const key of ["k1", "k2", "k3"])
      assert.strictEqual(again.standing("a.org", key), first.standing("a.org", key))
    assert.strictEqual(stored.get("k1")?.lastSeen, 7200)
    // What is seen all the time is written once an hour.
    assert.isEmpty(met(again, "a.org", ["k1"], 7300).changed)
  })

  it("forgets a zone whose keys have gone, and begins anew", () => {
    const book = new PinBook([])
    met(book, "a.org", ["k1"], 0)
    met(book, "a.org", ["k2"], 10 * day)
    const over = book.sweep(5 * day)
    assert.sameMembers(
      over.map((pin) => pin.operatorSpkHex),
      ["k1", "k2"]
    )
    assert.strictEqual(book.size, 0)
    assert.isEmpty(met(book, "a.org", ["k2"], 10 * day).foreign)
  })

  it("gives no domain more than its share, and what is full takes nobody's place", () => {
    const book = new PinBook([])
    met(book, "honest.org", ["k"], 0)
    for (let at = 0; at < 500; at++) met(book, `z${at}.evil.example`, ["k"], 1)
    assert.strictEqual(book.size, 65)
    for (let at = 0; at < 6000; at++) met(book, `z${at}.example`, ["k"], 2)
    assert.strictEqual(book.size, 4096)
    assert.strictEqual(book.standing("honest.org", "k"), "pinned")
    assert.strictEqual(book.standing("new.org", "k"), "unpinned")
    assert.isEmpty(met(book, "new.org", ["k"], 3).foreign)
    book.sweep(2)
    assert.isEmpty(met(book, "new.org", ["k"], 3).foreign)
    assert.strictEqual(book.standing("new.org", "k"), "pinned")
  })

  it("keeps at most sixteen keys of a zone, whatever it shows", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 200 }), { maxLength: 20 }), {
          minLength: 1,
          maxLength: 30
        }),
        (rounds) => {
          const book = new PinBook([])
          const stored = new Set<string>()
          met(book, "a.org", ["first"], 0)
          for (const [at, keys] of rounds.entries())
            for (const pin of met(book, "a.org", keys.map(String), at).changed)
              stored.add(pin.operatorSpkHex)
          assert.isAtMost(stored.size, 15)
          assert.deepStrictEqual([...book.pinned("a.org")], ["first"])
        }
      )
    )
  })
})
