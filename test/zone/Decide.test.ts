import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { unsafeMake } from "../../src/wire/Name.ts"
import { ContentPolicy, ContentRefused } from "../../src/zone/ContentPolicy.ts"
import { Draft, type Rules } from "../../src/zone/Decide.ts"
import { Limits, rrBytes } from "../../src/zone/Limits.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { WriteGrant } from "../../src/zone/WriteGrant.ts"
import type { Change, WriteRequest } from "../../src/zone/WriteRequest.ts"

const owner = unsafeMake("a.example.org")
const operator = WriteGrant.everything("operator")
const acceptAll: ContentPolicy["Type"] = { judge: () => ({}) }
const rules = (limits: Partial<Rules["limits"]> = {}, policy = acceptAll): Rules => ({
  limits: { ...Limits.defaults, ...limits },
  policy
})
const add = (value: string, ttl = 60): Change => ({ _tag: "Add", record: { owner, value, ttl } })
const zoneWith = (...values: ReadonlyArray<readonly [string, number]>) => {
  const zone = new LiveZone(100)
  zone.apply(
    values.map(([value, expiresAt]) => ({
      _tag: "Put",
      row: { owner, value, ttl: 60, createdAt: 100, expiresAt }
    }))
  )
  return zone
}
const decide = (zone: LiveZone, request: Partial<WriteRequest>, using = rules()) =>
  new Draft(zone, 100).decide({ grant: operator, changes: [], ...request }, using)
const errorOf = (result: ReturnType<typeof decide>) =>
  Either.match(result, { onLeft: (error) => error, onRight: () => undefined })

describe("Decide", () => {
  it("appends new values and refreshes known ones", () => {
    const result = Either.getOrThrow(
      decide(zoneWith(["old", 120]), { changes: [add("old"), add("new")] })
    )
    assert.deepStrictEqual(result.applied, { added: 1, refreshed: 1, removed: 0 })
    assert.deepStrictEqual(
      result.rows.map((row) => (row._tag === "Put" ? [row.row.value, row.row.expiresAt] : row)),
      [
        ["old", 160],
        ["new", 160]
      ]
    )
  })

  it("lets a writer that may only add lengthen a life, never shorten it", () => {
    const grant = WriteGrant.open
    const end = (ttl: number) =>
      Either.getOrThrow(decide(zoneWith(["v", 500]), { grant, changes: [add("v", ttl)] })).rows[0]
    assert.deepInclude(end(1), {
      _tag: "Put",
      row: { owner, value: "v", ttl: 1, createdAt: 100, expiresAt: 500 }
    })
    assert.deepInclude(end(900), {
      _tag: "Put",
      row: { owner, value: "v", ttl: 900, createdAt: 100, expiresAt: 1000 }
    })
  })

  it("counts live values only, and asks nothing of a refresh at the cap", () => {
    const using = rules({ maxValuesPerName: 2 })
    const full = zoneWith(["a", 200], ["b", 200])
    assert.deepInclude(errorOf(decide(full, { changes: [add("c")] }, using)), {
      limit: "values-per-name",
      cap: 2
    })
    assert.isUndefined(errorOf(decide(full, { changes: [add("a")] }, using)))
    assert.isUndefined(
      errorOf(decide(zoneWith(["a", 100], ["b", 200]), { changes: [add("c")] }, using))
    )
    assert.isUndefined(
      errorOf(decide(full, { changes: [add("c")] }, rules({ maxValuesPerName: 0 })))
    )
  })

  it("keeps every RRset small enough to be served", () => {
    const using = rules({ maxRrsetBytes: rrBytes("x") * 2 })
    assert.isUndefined(errorOf(decide(zoneWith(["a", 200]), { changes: [add("b")] }, using)))
    assert.deepInclude(errorOf(decide(zoneWith(["a", 200]), { changes: [add("bb")] }, using)), {
      limit: "rrset-bytes"
    })
  })

  it("names the first rule that is broken: TTL, size, room, characters, content", () => {
    const refuse: ContentPolicy["Type"] = { judge: () => new ContentRefused({ reason: "no" }) }
    const using = rules({ maxTtl: 60, maxValueBytes: 3, maxValuesPerName: 1 }, refuse)
    const first = (value: string, ttl: number, zone: LiveZone) => {
      const error = errorOf(decide(zone, { changes: [add(value, ttl)] }, using))
      return error?._tag === "LimitExceeded" ? error.limit : error?._tag
    }
    const full = zoneWith(["a", 200])
    assert.strictEqual(first('"""""', 61, full), "ttl")
    assert.strictEqual(first('"""""', 60, full), "value-bytes")
    assert.strictEqual(first('"', 60, full), "values-per-name")
    assert.strictEqual(first('"', 60, zoneWith()), "value-characters")
    assert.strictEqual(first("b", 60, zoneWith()), "ContentRefused")
  })

  it("lets a kind of record with caps of its own pass the general ones, up to its own", () => {
    const own: ContentPolicy["Type"] = { judge: () => ({ maxTtl: 100, maxValueBytes: 6 }) }
    const using = rules({ maxTtl: 60, maxValueBytes: 3 }, own)
    assert.isUndefined(errorOf(decide(zoneWith(), { changes: [add("123456", 100)] }, using)))
    assert.deepInclude(errorOf(decide(zoneWith(), { changes: [add("1234567", 100)] }, using)), {
      limit: "value-bytes",
      cap: 6
    })
    assert.deepInclude(errorOf(decide(zoneWith(), { changes: [add("1", 101)] }, using)), {
      limit: "ttl",
      cap: 100
    })
  })

  it("drops what a new value supersedes", () => {
    const policy: ContentPolicy["Type"] = {
      judge: () => ({ supersedes: (held) => held.startsWith("old") })
    }
    const result = Either.getOrThrow(
      decide(
        zoneWith(["old1", 200], ["keep", 200], ["old2", 200]),
        { changes: [add("new")] },
        rules({}, policy)
      )
    )
    assert.deepStrictEqual(result.applied, { added: 1, refreshed: 0, removed: 2 })
  })

  it("applies a request whole or not at all, and shows later requests of the group its result", () => {
    const draft = new Draft(zoneWith(["a", 200]), 100)
    const half: WriteRequest = {
      grant: operator,
      changes: [{ _tag: "DeleteRrset", owner }, add("b"), add("c", 1e9)]
    }
    assert.isTrue(Either.isLeft(draft.decide(half, rules())))
    assert.deepStrictEqual([...draft.rrset(owner).keys()], ["a"])
    assert.isTrue(
      Either.isRight(draft.decide({ ...half, changes: half.changes.slice(0, 2) }, rules()))
    )
    assert.deepStrictEqual([...draft.rrset(owner).keys()], ["b"])
  })

  it("takes deleting what is not there for done", () => {
    const result = Either.getOrThrow(
      decide(zoneWith(), { changes: [{ _tag: "DeleteValue", owner, value: "x" }] })
    )
    assert.deepStrictEqual(result, { rows: [], applied: { added: 0, refreshed: 0, removed: 0 } })
  })

  it("asks the grant about every change", () => {
    const adder = new WriteGrant({
      subject: "t",
      allows: (it) => it === "add",
      mayShorten: false,
      ignoresTtlCap: false
    })
    const error = errorOf(
      decide(zoneWith(["a", 200]), {
        grant: adder,
        changes: [add("b"), { _tag: "DeleteRrset", owner }]
      })
    )
    assert.deepInclude(error, { _tag: "NotGranted", operation: "delete" })
  })

  it("evaluates prerequisites against the zone before the request (RFC 2136 §3.2)", () => {
    const held = zoneWith(["a", 200], ["b", 200])
    const empty = zoneWith()
    const rcode = (
      zone: LiveZone,
      tag: "NameInUse" | "NameNotInUse" | "RrsetExists" | "RrsetDoesNotExist"
    ) => {
      const error = errorOf(decide(zone, { prerequisites: [{ _tag: tag, owner }] }))
      return error?._tag === "PrerequisiteFailed" ? error.rcode : undefined
    }
    assert.deepStrictEqual(
      [rcode(empty, "NameInUse"), rcode(held, "NameInUse")],
      ["NXDOMAIN", undefined]
    )
    assert.deepStrictEqual(
      [rcode(held, "NameNotInUse"), rcode(empty, "NameNotInUse")],
      ["YXDOMAIN", undefined]
    )
    assert.deepStrictEqual(
      [rcode(empty, "RrsetExists"), rcode(held, "RrsetExists")],
      ["NXRRSET", undefined]
    )
    assert.deepStrictEqual(
      [rcode(held, "RrsetDoesNotExist"), rcode(empty, "RrsetDoesNotExist")],
      ["YXRRSET", undefined]
    )
    const equals = (values: ReadonlyArray<string>) =>
      Either.isRight(decide(held, { prerequisites: [{ _tag: "RrsetEquals", owner, values }] }))
    assert.deepStrictEqual([["b", "a"], ["a"], ["a", "b", "c"]].map(equals), [true, false, false])
  })

  describe("among writers with a quota", () => {
    const grantOf = (writer: string, shares = true) =>
      new WriteGrant({ ...WriteGrant.open, quota: { writer, shares: () => shares } })
    const using = rules({ maxValuesPerName: 8, maxValuesPerWriter: 3 })
    const limitOf = (draft: Draft, grant: WriteGrant, ...changes: ReadonlyArray<Change>) => {
      const error = errorOf(draft.decide({ grant, changes }, using))
      return error?._tag === "LimitExceeded" ? error.limit : error?._tag
    }

    it("leaves room for others in a name that many write", () => {
      const draft = new Draft(zoneWith(["old", 200]), 100)
      const mallory = grantOf("mallory")
      assert.isUndefined(limitOf(draft, mallory, add("1"), add("2")))
      assert.strictEqual(limitOf(draft, mallory, add("3"), add("4")), "values-per-writer")
      assert.isUndefined(limitOf(draft, mallory, add("3")))
      assert.strictEqual(limitOf(draft, mallory, add("4")), "values-per-writer")
      // What is there already, theirs or not, may be refreshed.
      assert.isUndefined(limitOf(draft, mallory, add("1"), add("old")))
      assert.isUndefined(limitOf(draft, grantOf("alice"), add("a"), add("b"), add("c")))
      assert.isUndefined(limitOf(draft, operator, add("x")))
      assert.strictEqual(limitOf(draft, operator, add("y")), "values-per-name")
    })

    it("gives a share back with the value, and counts none of a writer's own names", () => {
      const draft = new Draft(zoneWith(), 100)
      const alice = grantOf("alice")
      assert.isUndefined(limitOf(draft, alice, add("1"), add("2"), add("3")))
      assert.isUndefined(limitOf(draft, operator, { _tag: "DeleteValue", owner, value: "2" }))
      assert.isUndefined(limitOf(draft, alice, add("4")))
      const own = grantOf("bob", false)
      assert.isUndefined(limitOf(draft, own, add("a"), add("b"), add("c"), add("d")))
    })

    it("keeps the last records for the operator", () => {
      const full = rules({ maxRecords: 3 })
      const draft = new Draft(zoneWith(["one", 200]), 100)
      const error = (grant: WriteGrant, ...changes: ReadonlyArray<Change>) =>
        errorOf(draft.decide({ grant, changes }, full))
      assert.isUndefined(error(grantOf("alice"), add("two"), add("one")))
      assert.deepInclude(error(WriteGrant.open, add("three"), add("four")), { limit: "records" })
      assert.isUndefined(error(grantOf("alice"), add("three")))
      assert.deepInclude(error(grantOf("alice"), add("four")), { limit: "records", cap: 3 })
      assert.isUndefined(error(operator, add("four")))
    })
  })
})
