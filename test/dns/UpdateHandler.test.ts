import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, type Layer, TestClock, Tracer } from "effect"
import { TsigKeys } from "../../src/auth/TsigKeys.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { flag, rcode, rrClass, type } from "../../src/wire/Codes.ts"
import { encodeTxt } from "../../src/wire/TxtData.ts"
import * as OwnerName from "../../src/dmp/OwnerName.ts"
import * as Samples from "../dmp/samples.ts"
import * as M from "../wire/messages.ts"
import * as H from "./UpdateHarness.ts"

const { zone } = H
const owner = `a.${zone}`
const adding = (value = "v", name = owner, ttl = 300) =>
  M.update(zone, { authorities: [M.add(name, value, ttl)] })
const changing = (...authorities: ReadonlyArray<Buffer>) => M.update(zone, { authorities })

const over = <A, E>(
  options: H.HarnessOptions,
  body: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof H.layer>>>
) => H.atNow.pipe(Effect.zipRight(Effect.provide(body, H.layer(options))))

const address = Buffer.from([192, 0, 2, 9])

describe("a signed UPDATE", () => {
  const cases: ReadonlyArray<readonly [string, Buffer, string]> = [
    ["an add", adding(), "NOERROR"],
    ["nothing at all", M.update(zone, {}), "NOERROR"],
    ["a second served zone", M.update("second.test", {}), "NOERROR"],
    ["a zone in another case", M.update("MESH.Test", {}), "NOERROR"],
    ["a foreign zone", M.update("example.org", {}), "NOTAUTH"],
    ["a zone below ours", M.update(`sub.${zone}`, {}), "NOTAUTH"],
    ["a zone above ours", M.update("test", {}), "NOTAUTH"],
    ["a name outside the zone", adding("v", "a.second.test"), "NOTZONE"],
    ["no zone", M.message({ flags: M.updateFlags }), "FORMERR"],
    ["a bad class", changing(M.rr({ owner, class: rrClass.CH })), "FORMERR"],
    ["bad UTF-8", changing(M.rr({ owner, rdata: Buffer.from([1, 0xff]) })), "FORMERR"],
    ["a value too long", adding("v".repeat(2049)), "REFUSED"],
    ["a TTL too long", adding("v", owner, 86_401), "REFUSED"],
    ["the longest TTL", adding("v", owner, 86_400), "NOERROR"],
    ["text that is not ASCII", adding("ü"), "REFUSED"],
    ["an A record", changing(M.rr({ owner, type: type.A, rdata: address })), "REFUSED"],
    ["a CNAME", changing(M.rr({ owner, type: type.CNAME, rdata: M.name(zone) })), "REFUSED"],
    ["a name outside our grammar", adding("v", `*.${zone}`), "REFUSED"],
    ["an absent value's delete", changing(M.deleteValue(owner, "x")), "NOERROR"],
    ["an absent RRset's delete", changing(M.deleteRrset(owner)), "NOERROR"],
    ["an absent name's delete", changing(M.deleteRrset(owner, type.ANY)), "NOERROR"],
    ["an absent A RRset's delete", changing(M.deleteRrset(owner, type.A)), "NOERROR"],
    [
      "an absent A record's delete",
      changing(M.rr({ owner, type: type.A, class: rrClass.NONE, rdata: address })),
      "NOERROR"
    ],
    ["the apex SOA's delete", changing(M.deleteRrset(zone, type.SOA)), "NOERROR"],
    ["an OPT of a newer version", M.update(zone, { additionals: [M.opt(1232, 1)] }), "NOERROR"]
  ]
  it.effect.each(cases)("with %s gets its rcode, signed", ([what, message, expected]) =>
    over(
      {},
      Effect.gen(function* () {
        const answer = yield* H.send(message, { key: H.loose })
        assert.strictEqual(answer.rcode, expected)
        assert.strictEqual(answer.signature, "Verified")
        assert.strictEqual(answer.flags & flag.AA, flag.AA)
        assert.strictEqual(answer.edns, what.includes("OPT"))
        assert.strictEqual(
          answer.outcome,
          what.includes("OPT") ? "badvers" : expected.toLowerCase()
        )
      })
    )
  )

  it.effect("that meets a defect gets a signed SERVFAIL, and another chance", () => {
    let judged = 0
    const judge = () => {
      if (++judged === 1) throw new Error("a bug")
      return {}
    }
    return over(
      { policy: { judge } },
      Effect.gen(function* () {
        const first = yield* H.send(adding(), { key: H.loose })
        assert.deepInclude(first, { rcode: "SERVFAIL", outcome: "servfail", signature: "Verified" })
        assert.deepStrictEqual(yield* H.held(owner), {})
        const again = yield* H.send(adding(), { key: H.loose })
        assert.deepInclude(again, { rcode: "NOERROR", signature: "Verified" })
        assert.deepStrictEqual(yield* H.held(owner), { v: 300 })
      })
    )
  })

  it.effect("is a span where somebody traces, which ends with the answer", () => {
    const ended: Array<string> = []
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => ({
        _tag: "Span",
        spanId: "1",
        traceId: "1",
        name,
        parent,
        context,
        links,
        kind,
        sampled: true,
        attributes: new Map(),
        status: { _tag: "Started", startTime },
        end: () => void ended.push(name),
        attribute: () => {},
        event: () => {},
        addLinks: () => {}
      }),
      context: (run) => run()
    })
    return over(
      {},
      Effect.gen(function* () {
        assert.strictEqual((yield* H.send(adding(), { key: H.loose })).rcode, "NOERROR")
        assert.deepStrictEqual(ended, ["UpdateHandler.run"])
      })
    ).pipe(Effect.withTracer(tracer))
  })

  it.effect("echoes the zone section and clears what belongs to queries", () =>
    over(
      {},
      Effect.gen(function* () {
        const message = adding()
        message.writeUInt16BE(M.updateFlags | flag.RD | flag.AD | flag.CD, 2)
        const answer = yield* H.send(message, { key: H.loose })
        assert.isTrue(answer.zoneEchoed)
        assert.strictEqual(answer.flags, flag.QR | M.updateFlags | flag.AA)
      })
    )
  )

  it.effect("adds, refreshes and deletes as RFC 2136 §2.5 says", () =>
    over(
      {},
      Effect.gen(function* () {
        const key = H.loose
        yield* H.send(changing(M.add(owner, "one", 100), M.add(owner, "two", 100)), { key })
        yield* H.send(changing(M.add(owner, "one", 200), M.deleteValue(owner, "two")), { key })
        assert.deepStrictEqual(yield* H.held(owner), { one: 200 })
        yield* H.send(changing(M.deleteRrset(owner), M.add(owner, "three", 0)), { key })
        assert.deepStrictEqual(yield* H.held(owner), { three: 60 })
        yield* H.send(changing(M.deleteRrset(owner, type.A)), { key })
        assert.deepStrictEqual(yield* H.held(owner), { three: 60 })
        yield* H.send(changing(M.deleteRrset(owner, type.ANY)), { key })
        assert.deepStrictEqual(yield* H.held(owner), {})
      })
    )
  )

  it.effect("holds owner names in lower case, and joins split strings", () =>
    over(
      {},
      Effect.gen(function* () {
        const long = "v".repeat(700)
        yield* H.send(adding(long, "A.Mesh.TEST"), { key: H.loose })
        assert.deepStrictEqual(yield* H.held(owner), { [long]: 300 })
        const split = Buffer.concat([encodeTxt("a"), encodeTxt("b")])
        yield* H.send(changing(M.rr({ owner, ttl: 5, rdata: split })), { key: H.loose })
        assert.strictEqual((yield* H.held(owner))["ab"], 5)
      })
    )
  )

  it.effect("is all or nothing", () =>
    over(
      { limits: { maxValuesPerName: 2 } },
      Effect.gen(function* () {
        const three = [1, 2, 3].map((n) => M.add(owner, `v${n}`))
        assert.strictEqual((yield* H.send(changing(...three), { key: H.loose })).rcode, "REFUSED")
        assert.deepStrictEqual(yield* H.held(owner), {})
        const mixed = changing(M.add(H.identity, "mine"), M.add(`id-0000.${zone}`, "not mine"))
        assert.strictEqual((yield* H.send(mixed, { key: H.alice })).rcode, "REFUSED")
        assert.deepStrictEqual(yield* H.held(H.identity), {})
      })
    )
  )

  it.effect("may refresh a value of an RRset that is full", () =>
    over(
      { limits: { maxValuesPerName: 1 } },
      Effect.gen(function* () {
        yield* H.send(adding("one"), { key: H.loose })
        assert.strictEqual((yield* H.send(adding("two"), { key: H.loose })).rcode, "REFUSED")
        const again = yield* H.send(adding("one", owner, 301), { key: H.loose })
        assert.strictEqual(again.rcode, "NOERROR")
      })
    )
  )

  const scoped: ReadonlyArray<readonly [string, Buffer, string]> = [
    ["own identity", adding("v", H.identity), "NOERROR"],
    ["own rotation", adding("v", `rotate.${H.identity}`), "NOERROR"],
    ["own anchor", adding("v", `dmp.alice.${zone}`), "NOERROR"],
    ["own identity's delete", changing(M.deleteRrset(H.identity)), "NOERROR"],
    ["another's identity", adding("v", `id-0123456789abcdef.${zone}`), "REFUSED"],
    ["anybody's slot", adding("v", `slot-3.mb-0123456789ab.${zone}`), "NOERROR"],
    ["anybody's chunk", adding("v", `chunk-0001-0123456789ab.${zone}`), "NOERROR"],
    ["a slot that is none", adding("v", `slot-10.mb-0123456789ab.${zone}`), "REFUSED"],
    ["a slot with a label more", adding("v", `x.slot-1.mb-0123456789ab.${zone}`), "REFUSED"],
    ["a slot's delete", changing(M.deleteRrset(`slot-3.mb-0123456789ab.${zone}`)), "REFUSED"],
    ["a name's delete", changing(M.deleteRrset(owner, type.ANY)), "REFUSED"],
    ["a foreign A's delete", changing(M.deleteRrset(owner, type.A)), "REFUSED"],
    ["the apex", adding("v", zone), "REFUSED"]
  ]
  it.effect.each(scoped)("under a user's key: %s", ([, message, expected]) =>
    over(
      {},
      Effect.map(H.send(message, { key: H.alice }), (answer) => {
        assert.strictEqual(answer.rcode, expected)
        assert.strictEqual(answer.signature, "Verified")
      })
    )
  )

  it.effect("cannot take life from a value in a shared name, but can in its own", () =>
    over(
      {},
      Effect.gen(function* () {
        const slot = `slot-3.mb-0123456789ab.${zone}`
        for (const name of [slot, H.identity])
          yield* H.send(adding("v", name, 300), { key: H.loose })
        for (const name of [slot, H.identity]) yield* H.send(adding("v", name, 5), { key: H.alice })
        assert.deepStrictEqual(yield* H.held(slot), { v: 300 })
        assert.deepStrictEqual(yield* H.held(H.identity), { v: 5 })
      })
    )
  )

  it.effect("falls back to the claim rule where its scope ends", () =>
    over(
      { env: { DMP_CLAIM_PROVIDER: "1" } },
      Effect.gen(function* () {
        const name = H.claimName(3, "0123456789ab")
        const answer = yield* H.send(adding(H.claim(), name), { key: H.tight, from: H.udp })
        assert.strictEqual(answer.rcode, "NOERROR")
        assert.deepStrictEqual(Object.values(yield* H.held(name)), [300])
        const forged = adding(H.forgedClaim(), name)
        assert.strictEqual((yield* H.send(forged, { key: H.tight })).rcode, "REFUSED")
        const mixed = changing(M.add(name, H.claim(300, 3, 4)), M.add(owner, "v"))
        assert.strictEqual((yield* H.send(mixed, { key: H.tight })).rcode, "REFUSED")
      })
    )
  )

  it.effect("is SERVFAIL when the store fails, and may then be sent again", () =>
    over(
      { broken: true },
      Effect.gen(function* () {
        const answer = yield* H.send(adding(), { key: H.loose })
        assert.strictEqual(answer.rcode, "SERVFAIL")
        assert.strictEqual(answer.signature, "Verified")
        assert.deepStrictEqual(yield* H.held(owner), {})
      })
    )
  )

  it.effect("is asked to wait when its key sends too many", () =>
    over(
      { env: { DMP_TSIG_RATE: "1", DMP_TSIG_BURST: "2" } },
      Effect.gen(function* () {
        const sent = (value: string, key = H.loose) => H.send(adding(value), { key })
        assert.strictEqual((yield* sent("1")).rcode, "NOERROR")
        assert.strictEqual((yield* sent("2")).rcode, "NOERROR")
        const third = yield* sent("3")
        assert.deepInclude(third, { rcode: "SERVFAIL", outcome: "rate_limited" })
        assert.strictEqual(third.signature, "Verified")
        assert.strictEqual((yield* sent("3", H.alice)).rcode, "REFUSED")
        yield* TestClock.adjust("2 seconds")
        // The very same octets: a throttled request was not remembered.
        assert.strictEqual((yield* sent("3")).rcode, "NOERROR")
      })
    )
  )
})

describe("prerequisites", () => {
  const exists = (name: string, rrType: number = type.TXT) =>
    M.rr({ owner: name, type: rrType, class: rrClass.ANY })
  const missing = (name: string, rrType: number = type.TXT) =>
    M.rr({ owner: name, type: rrType, class: rrClass.NONE })
  const equals = (name: string, value: string) => M.rr({ owner: name, rdata: encodeTxt(value) })
  const there = `there.${zone}`

  const cases: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, string]> = [
    ["name in use: yes", [exists(there, type.ANY)], "NOERROR"],
    ["name in use: no", [exists(owner, type.ANY)], "NXDOMAIN"],
    ["name not in use: yes", [missing(owner, type.ANY)], "NOERROR"],
    ["name not in use: no", [missing(there, type.ANY)], "YXDOMAIN"],
    ["RRset exists: yes", [exists(there)], "NOERROR"],
    ["RRset exists: no", [exists(owner)], "NXRRSET"],
    ["RRset missing: yes", [missing(owner)], "NOERROR"],
    ["RRset missing: no", [missing(there)], "YXRRSET"],
    ["RRset equals, in any order", [equals(there, "two"), equals(there, "one")], "NOERROR"],
    ["RRset holds more", [equals(there, "one")], "NXRRSET"],
    ["RRset holds others", [equals(there, "one"), equals(there, "x")], "NXRRSET"],
    ["another type exists: no", [exists(there, type.A)], "NXRRSET"],
    ["another type missing: yes", [missing(there, type.A)], "NOERROR"],
    ["the apex is in use", [exists(zone, type.ANY)], "NOERROR"],
    ["the apex has a SOA", [exists(zone, type.SOA)], "NOERROR"],
    ["the apex has no NS: no", [missing(zone, type.NS)], "YXRRSET"],
    ["the apex is free: no", [missing(zone, type.ANY)], "YXDOMAIN"],
    ["the name server has an address", [exists(`ns1.${zone}`, type.A)], "NOERROR"],
    ["a name we could not hold: in use", [exists(`*.${zone}`, type.ANY)], "NXDOMAIN"],
    ["a name we could not hold: free", [missing(`*.${zone}`, type.ANY)], "NOERROR"],
    ["outside the zone", [exists("a.example.org")], "NOTZONE"],
    ["with a TTL", [M.rr({ owner, class: rrClass.ANY, ttl: 1 })], "FORMERR"]
  ]
  it.effect.each(cases)("%s", ([, answers, expected]) =>
    over(
      {},
      Effect.gen(function* () {
        const key = H.loose
        yield* H.send(changing(M.add(there, "one"), M.add(there, "two")), { key })
        const message = M.update(zone, { answers, authorities: [M.add(`new.${zone}`, "v")] })
        const answer = yield* H.send(message, { key })
        assert.strictEqual(answer.rcode, expected)
        assert.strictEqual(answer.signature, "Verified")
        assert.deepStrictEqual(
          yield* H.held(`new.${zone}`),
          expected === "NOERROR" ? { v: 300 } : {}
        )
      })
    )
  )

  it.effect("are no oracle to those who may not write", () =>
    over(
      {},
      Effect.gen(function* () {
        const message = M.update(zone, {
          answers: [exists(there)],
          authorities: [M.add(owner, "v")]
        })
        assert.strictEqual((yield* H.send(message)).rcode, "REFUSED")
        assert.strictEqual((yield* H.send(message, { key: H.alice })).rcode, "REFUSED")
      })
    )
  )
})

describe("a signature that does not hold", () => {
  const stranger = { ...H.loose, name: `nobody.${zone}` }
  const wrong = { ...H.loose, secret: new Uint8Array(32).fill(99) }
  const cases = [
    ["an unknown key", { key: stranger }, rcode.BADKEY],
    ["a wrong secret", { key: wrong }, rcode.BADSIG],
    ["another algorithm", { key: { ...H.loose, algorithm: "hmac-sha512" } }, rcode.BADKEY],
    ["a stale time", { key: H.loose, at: H.now - 301 }, rcode.BADTIME],
    ["a time to come", { key: H.loose, at: H.now + 301 }, rcode.BADTIME]
  ] as const
  it.effect.each(cases)("(%s) is NOTAUTH and says why", ([, options, error]) =>
    over(
      {},
      Effect.gen(function* () {
        const answer = yield* H.send(adding(), options)
        assert.strictEqual(answer.rcode, "NOTAUTH")
        // The right key with a wrong clock is counted apart: it is nobody who guesses.
        assert.strictEqual(answer.outcome, error === rcode.BADTIME ? "tsig_time" : "tsig_failed")
        assert.strictEqual(answer.tsigError, error)
        assert.isTrue(answer.zoneEchoed)
        assert.deepStrictEqual(yield* H.held(owner), {})
        // The client can check our word about the time; about its key there is nothing to sign with.
        if (error === rcode.BADTIME) assert.strictEqual(answer.signature, "BadTime")
        else assert.notStrictEqual(answer.signature, "Verified")
      })
    )
  )

  it.effect("is FORMERR when the record is malformed or misplaced", () =>
    over(
      {},
      Effect.gen(function* () {
        const tsig = M.rr({ owner: "k", type: type.TSIG, class: rrClass.ANY, rdata: address })
        const answer = yield* H.send(M.update(zone, { additionals: [tsig] }))
        assert.deepInclude(answer, { rcode: "FORMERR", outcome: "formerr", signature: "none" })
      })
    )
  )

  it.effect("is all there is when the node has no keys", () =>
    over(
      { keys: [] },
      Effect.map(H.send(adding(), { key: H.loose }), (answer) =>
        assert.strictEqual(answer.tsigError, rcode.BADKEY)
      )
    )
  )

  it.effect("never makes an answer larger than a client without EDNS takes", () =>
    over(
      {},
      Effect.gen(function* () {
        const label = "k".repeat(63)
        const long = { ...H.loose, name: [label, label, label, "k".repeat(60)].join(".") }
        const answer = yield* H.send(adding(), { key: long, from: H.udp })
        assert.strictEqual(answer.rcode, "NOTAUTH")
        assert.isAtMost(answer.octets.length, 512)
      })
    )
  )
})

describe("keys that change while the node runs", () => {
  it.effect("count at once when new, and when given a new secret", () =>
    over(
      { keys: [] },
      Effect.gen(function* () {
        const store = yield* TsigKeyStore
        yield* store.put(H.loose)
        assert.strictEqual((yield* H.send(adding("1"), { key: H.loose })).rcode, "NOERROR")
        const renewed = { ...H.loose, secret: new Uint8Array(32).fill(8) }
        yield* store.put(renewed)
        assert.strictEqual((yield* H.send(adding("2"), { key: renewed })).rcode, "NOERROR")
        assert.strictEqual((yield* H.send(adding("3"), { key: H.loose })).rcode, "NOTAUTH")
      })
    )
  )

  it.effect(
    "are dead within a second of being revoked, and at once when this process says so",
    () =>
      over(
        {},
        Effect.gen(function* () {
          const store = yield* TsigKeyStore
          yield* store.revoke(H.loose.name)
          yield* TestClock.adjust("1 second")
          yield* Effect.yieldNow()
          assert.strictEqual((yield* H.send(adding("1"), { key: H.loose })).rcode, "NOTAUTH")
          yield* store.revokeSubject("alice@mesh.test")
          yield* (yield* TsigKeys).reread(H.alice.name)
          const answer = yield* H.send(adding("1", H.identity), { key: H.alice })
          assert.strictEqual(answer.rcode, "NOTAUTH")
        })
      )
  )

  it.effect("do not count once revoked between the check and the change", () =>
    over(
      { revokedMidway: true },
      Effect.gen(function* () {
        // Not even as a claim, which the same sender could have made without a key.
        for (const message of [adding(), adding(H.claim(), H.claimName())]) {
          const answer = yield* H.send(message, { key: H.loose })
          assert.deepInclude(answer, { rcode: "REFUSED", signature: "Verified" })
        }
        assert.deepStrictEqual(yield* H.held(owner), {})
      })
    )
  )

  it.effect("end when their time is over", () =>
    over(
      { keys: [{ ...H.loose, expiresAt: H.now + 10 }] },
      Effect.gen(function* () {
        assert.strictEqual((yield* H.send(adding("1"), { key: H.loose })).rcode, "NOERROR")
        yield* TestClock.adjust("10 seconds")
        const late = yield* H.send(adding("2"), { key: H.loose, at: H.now + 10 })
        assert.strictEqual(late.tsigError, rcode.BADKEY)
      })
    )
  )
})

describe("the same signed octets again", () => {
  it.effect("are answered as before and change nothing", () =>
    over(
      {},
      Effect.gen(function* () {
        const add = adding("v")
        assert.strictEqual((yield* H.send(add, { key: H.loose })).rcode, "NOERROR")
        yield* H.send(changing(M.deleteRrset(owner)), { key: H.loose })
        const again = yield* H.send(add, { key: H.loose })
        assert.deepInclude(again, { rcode: "NOERROR", signature: "Verified" })
        assert.deepStrictEqual(yield* H.held(owner), {})
      })
    )
  )

  it.effect("keep a refusal too, but not a failure of ours", () =>
    over(
      {},
      Effect.gen(function* () {
        const unless = M.update(zone, {
          answers: [M.rr({ owner, class: rrClass.NONE })],
          authorities: [M.add(`b.${zone}`, "v")]
        })
        yield* H.send(adding("v"), { key: H.loose })
        assert.strictEqual((yield* H.send(unless, { key: H.loose })).rcode, "YXRRSET")
        yield* H.send(changing(M.deleteRrset(owner)), { key: H.loose })
        assert.strictEqual((yield* H.send(unless, { key: H.loose })).rcode, "YXRRSET")
      })
    )
  )

  it.effect("sent together are applied once", () =>
    over(
      {},
      Effect.gen(function* () {
        const answers = yield* Effect.all(
          Array.from({ length: 5 }, () => H.send(adding("v"), { key: H.loose })),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([...new Set(answers.map((answer) => answer.rcode))], ["NOERROR"])
      })
    )
  )
})

describe("an unsigned UPDATE", () => {
  const probe = (host: string) =>
    M.update(host, { authorities: [M.add(`_dmp-probe.${host}`, "v=dmp1;t=probe", 60)] })

  it.effect("that probes for a mesh node gets REFUSED or NOTAUTH", () =>
    over(
      {},
      Effect.gen(function* () {
        assert.strictEqual((yield* H.send(probe(zone), { from: H.udp })).rcode, "REFUSED")
        assert.strictEqual((yield* H.send(probe("127.0.0.1"), { from: H.udp })).rcode, "NOTAUTH")
      })
    )
  )

  it.effect("gets REFUSED everywhere when updates are off, signed ones too", () =>
    over(
      { env: { DMP_DNS_UPDATE_ENABLED: "0" } },
      Effect.gen(function* () {
        assert.strictEqual((yield* H.send(probe("127.0.0.1"), { from: H.udp })).rcode, "REFUSED")
        assert.strictEqual((yield* H.send(adding(), { key: H.loose })).rcode, "REFUSED")
        const claim = adding(H.claim(), H.claimName())
        assert.strictEqual((yield* H.send(claim)).rcode, "REFUSED")
      })
    )
  )

  const refused: ReadonlyArray<readonly [string, Buffer]> = [
    ["nothing", M.update(zone, {})],
    ["an add of anything", adding()],
    ["a delete", changing(M.deleteRrset(H.claimName()))],
    ["an A record", changing(M.rr({ owner: H.claimName(), type: type.A, rdata: address }))],
    ["a claim beside something else", changing(M.add(H.claimName(), H.claim()), M.add(owner, "v"))],
    [
      "a claim beside a delete",
      changing(M.add(H.claimName(), H.claim()), M.deleteRrset(H.claimName(4)))
    ],
    ["a claim for another slot than its name", adding(H.claim(300, 4), H.claimName(3))],
    ["a claim at a slot that is none", adding(H.claim(), H.claimName("03"))],
    ["a claim with a label more", adding(H.claim(), `x.${H.claimName()}`)],
    ["a claim below a child zone", adding(H.claim(), `claim-3.mb-${H.mailbox}.sub.${zone}`)],
    ["a forged claim", adding(H.forgedClaim(), H.claimName())],
    ["a claim that is over", adding(H.claim(1), H.claimName())],
    ["a claim for too long", adding(H.claim(86_402), H.claimName())],
    ["a TTL above the cap", adding(H.claim(), H.claimName(), 86_401)],
    [
      "eleven claims",
      changing(...Array.from({ length: 11 }, () => M.add(H.claimName(), H.claim())))
    ]
  ]
  it.effect.each(refused)("with %s is REFUSED and unsigned", ([, message]) =>
    over(
      {},
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        const answer = yield* H.send(message)
        assert.deepInclude(answer, { rcode: "REFUSED", signature: "none", outcome: "refused" })
        assert.deepStrictEqual(yield* H.held(H.claimName()), {})
      })
    )
  )

  it.effect.each([H.udp, H.tcp])("with a claim is taken over %s", (from) =>
    over(
      {},
      Effect.gen(function* () {
        const upper = H.claimName().toUpperCase()
        const answer = yield* H.send(adding(H.claim(), upper), { from })
        assert.strictEqual(answer.rcode, "NOERROR")
        assert.deepStrictEqual(Object.values(yield* H.held(H.claimName())), [300])
      })
    )
  )

  it.effect("with a claim lives no longer than the claim, the cap, or what was asked", () =>
    over(
      { env: { DMP_CLAIM_MAX_TTL: "1000" } },
      Effect.gen(function* () {
        const lifetime = (value: string, ttl: number) =>
          Effect.gen(function* () {
            yield* H.send(adding(value, H.claimName(), ttl))
            return (yield* H.held(H.claimName()))[value]
          })
        assert.strictEqual(yield* lifetime(H.claim(5, 3, 1), 86_400), 5)
        assert.strictEqual(yield* lifetime(H.claim(1000, 3, 2), 86_400), 1000)
        assert.strictEqual(yield* lifetime(H.claim(1000, 3, 3), 7), 7)
        assert.strictEqual(yield* lifetime(H.claim(1000, 3, 4), 0), 60)
      })
    )
  )

  it.effect("cannot shorten a claim that is there", () =>
    over(
      {},
      Effect.gen(function* () {
        yield* H.send(adding(H.claim(), H.claimName(), 300))
        yield* H.send(adding(H.claim(), H.claimName(), 1))
        assert.deepStrictEqual(Object.values(yield* H.held(H.claimName())), [300])
      })
    )
  )

  const receivers = { DMP_CLAIM_PROVIDER: "0", DMP_RECEIVER_CLAIM_NOTIFICATIONS: "1" }
  it.effect("with a claim reaches registered recipients only where the node says so", () =>
    over(
      { env: receivers },
      Effect.gen(function* () {
        const known = adding(H.claim(), H.claimName())
        const unknown = adding(H.claim(), H.claimName(3, "0123456789ab"))
        assert.strictEqual((yield* H.send(known)).rcode, "NOERROR")
        assert.strictEqual((yield* H.send(unknown)).rcode, "REFUSED")
        const store = yield* TsigKeyStore
        for (const key of [H.alice, H.tight]) yield* store.revoke(key.name)
        yield* TestClock.adjust("1 second")
        yield* Effect.yieldNow()
        assert.strictEqual((yield* H.send(known)).rcode, "REFUSED")
      })
    )
  )

  it.effect("with a claim reaches whom the node holds an identity of, while it does", () =>
    over(
      { env: { DMP_AUTH_MODE: "multi-tenant" }, keys: [H.loose] },
      Effect.gen(function* () {
        const mailbox = OwnerName.mailboxOf(Samples.identity.x25519Pk)
        const claim = adding(H.claim(), H.claimName(3, mailbox))
        const rcodes = () => Effect.map(H.send(claim), (answer) => answer.rcode)
        assert.strictEqual(yield* rcodes(), "REFUSED")
        const identity = adding(Samples.samples.identity, H.identity)
        yield* H.send(identity, { key: H.loose })
        assert.strictEqual(yield* rcodes(), "NOERROR")
        yield* H.send(changing(M.deleteRrset(H.identity)), { key: H.loose })
        assert.strictEqual(yield* rcodes(), "REFUSED")
      })
    )
  )

  it.effect("with a claim is REFUSED by a node without a claim role", () =>
    over(
      { env: { DMP_CLAIM_PROVIDER: "0", DMP_AUTH_MODE: "multi-tenant" } },
      Effect.map(H.send(adding(H.claim(), H.claimName())), ({ rcode: code }) =>
        assert.strictEqual(code, "REFUSED")
      )
    )
  )

  it.effect("with claims is SERVFAIL once one source sent one recipient too many", () =>
    over(
      { env: { DMP_CLAIM_RATE_BURST: "2" } },
      Effect.gen(function* () {
        const one = (n: number, from = H.tcp) =>
          Effect.map(
            H.send(adding(H.claim(300, 3, n), H.claimName()), { from }),
            (answer) => answer.rcode
          )
        assert.deepStrictEqual(
          [yield* one(1), yield* one(2), yield* one(3)],
          ["NOERROR", "NOERROR", "SERVFAIL"]
        )
        assert.strictEqual(yield* one(4, { ...H.tcp, address: "192.0.2.8" }), "NOERROR")
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* one(5), "NOERROR")
      })
    )
  )

  it.effect(
    "with a claim is sent to TCP once UDP had its share, before its signature is looked at",
    () =>
      over(
        { env: { DMP_CLAIM_UDP_RATE: "0" } },
        Effect.gen(function* () {
          const forged = adding(H.forgedClaim(), H.claimName())
          for (const message of [adding(H.claim(), H.claimName()), forged]) {
            const answer = yield* H.send(message, { from: H.udp })
            assert.strictEqual(answer.flags & flag.TC, flag.TC)
          }
          assert.deepStrictEqual(yield* H.held(H.claimName()), {})
          assert.strictEqual((yield* H.send(adding("v"), { from: H.udp })).rcode, "REFUSED")
          assert.strictEqual((yield* H.send(adding(H.claim(), H.claimName()))).rcode, "NOERROR")
        })
      )
  )
})

describe("whatever arrives", () => {
  it.effect("is answered with FORMERR if it has a header, and with silence if not", () =>
    over(
      {},
      Effect.gen(function* () {
        const whole = adding()
        for (let octets = 0; octets < whole.length; octets++) {
          const answer = yield* H.send(whole.subarray(0, octets))
          assert.strictEqual(answer.rcode, octets < 12 ? "silence" : "FORMERR")
          assert.strictEqual(answer.outcome, "malformed")
        }
        const response = adding()
        response.writeUInt16BE(flag.QR | M.updateFlags, 2)
        assert.strictEqual((yield* H.send(response)).rcode, "silence")
      })
    )
  )

  it.effect.prop(
    "never breaks the handler",
    [FastCheck.uint8Array({ minLength: 12, maxLength: 300 })],
    ([octets]) =>
      over(
        {},
        Effect.gen(function* () {
          const bytes = Buffer.from(octets)
          bytes.writeUInt16BE(M.updateFlags, 2)
          const { reply } = yield* H.handle(bytes, H.udp)
          assert.isDefined(reply)
        })
      ),
    { fastCheck: { numRuns: 60 } }
  )
})
