import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { rcode, rrClass, type } from "../../src/wire/Codes.ts"
import { parse } from "../../src/wire/Message.ts"
import { type Algorithm, algorithms, find, type Key, makeKey } from "../../src/wire/Tsig.ts"
import { overhead, refuse, sequence, sign } from "../../src/wire/TsigSign.ts"
import { verify, type VerifyOptions } from "../../src/wire/TsigVerify.ts"
import * as M from "./messages.ts"

const now = 1_800_000_000
const secret = Buffer.from("0123456789abcdef0123456789abcdef")
const keyOf = (algorithm: string = "hmac-sha256", name = "Alice.Example.org."): Key =>
  Either.getOrThrow(makeKey(name, algorithm, secret))
const key = keyOf()

const request = M.update("example.org", {
  authorities: [M.add("id-0011223344556677.example.org", "v=dmp1;t=x")]
})

const judge = (bytes: Buffer, by: Key | undefined, options?: Partial<VerifyOptions>) => {
  const message = Either.getOrThrow(parse(bytes))
  const tsig = Either.getOrThrow(find(message))
  return tsig === undefined ? "unsigned" : verify(message, tsig, by, { now, ...options })._tag
}

describe("a TSIG MAC", () => {
  it.each(Object.keys(algorithms))("made with %s verifies with the same key", (algorithm) => {
    const by = keyOf(algorithm)
    const signed = sign(request, by, { timeSigned: now })
    assert.strictEqual(judge(signed.bytes, by), "Verified")
    assert.strictEqual(signed.bytes.length, request.length + overhead(by))
    assert.strictEqual(signed.mac.length, algorithms[by.algorithm].octets)
  })

  it("does not verify with another secret, and no key fits another algorithm", () => {
    const { bytes } = sign(request, key, { timeSigned: now })
    const other = Either.getOrThrow(makeKey(key.name, key.algorithm, Buffer.alloc(32, 1)))
    assert.strictEqual(judge(bytes, other), "BadSig")
    assert.strictEqual(judge(bytes, keyOf("hmac-sha512")), "BadKey")
    assert.strictEqual(judge(bytes, undefined), "BadKey")
  })

  it("covers every octet of the message and of its own record", () => {
    const { bytes } = sign(request, key, { timeSigned: now })
    for (let at = 0; at < bytes.length; at++)
      for (const bit of [1, 0x20, 0x80]) {
        const changed = Buffer.from(bytes)
        changed[at] = changed.readUInt8(at) ^ bit
        const read = parse(changed)
        if (Either.isLeft(read)) continue
        const tsig = find(read.right)
        if (Either.isLeft(tsig) || tsig.right === undefined) continue
        const outcome = verify(read.right, tsig.right, key, { now })._tag
        // Two changes are none to a MAC: the ID is the original one, and names have no case.
        const isId = at < 2
        const isCase = bit === 0x20 && at > request.length
        if (outcome === "Verified") assert.isTrue(isId || isCase, `octet ${at}, bit ${bit}`)
      }
  })

  it.each([
    [0, "Verified"],
    [300, "Verified"],
    [-300, "Verified"],
    [301, "BadTime"],
    [-301, "BadTime"]
  ])("signed %i seconds off the clock is %s", (off, expected) => {
    assert.strictEqual(judge(sign(request, key, { timeSigned: now - off }).bytes, key), expected)
  })

  it("counts the signer's fudge up to 300 seconds only", () => {
    const wide = sign(request, key, { timeSigned: now - 301, fudge: 65_535 })
    assert.strictEqual(judge(wide.bytes, key), "BadTime")
    const narrow = sign(request, key, { timeSigned: now - 11, fudge: 10 })
    assert.strictEqual(judge(narrow.bytes, key), "BadTime")
  })

  it("does not say that the time is wrong to those who cannot sign", () => {
    const stale = sign(
      request,
      Either.getOrThrow(makeKey(key.name, key.algorithm, Buffer.alloc(9))),
      {
        timeSigned: 5
      }
    )
    assert.strictEqual(judge(stale.bytes, key), "BadSig")
  })

  /** The record again with its MAC cut to `octets`. */
  const truncated = (octets: number, algorithm: Algorithm = "hmac-sha256") => {
    const by = keyOf(algorithm)
    const { mac } = sign(request, by, { timeSigned: now })
    const head = Buffer.alloc(10)
    head.writeUIntBE(now, 0, 6)
    head.writeUInt16BE(300, 6)
    head.writeUInt16BE(octets, 8)
    const cut = Buffer.concat([mac, Buffer.alloc(64)]).subarray(0, octets)
    const rdata = Buffer.concat([
      M.name(algorithm),
      head,
      cut,
      Buffer.from([0x12, 0x34, 0, 0, 0, 0])
    ])
    return M.update("example.org", {
      authorities: [M.add("id-0011223344556677.example.org", "v=dmp1;t=x")],
      additionals: [M.rr({ owner: by.name, type: type.TSIG, class: rrClass.ANY, rdata })]
    })
  }

  it.each([
    [32, "Verified"],
    [31, "BadTrunc"],
    [16, "BadTrunc"],
    [15, "Malformed"],
    [0, "Malformed"],
    [33, "Malformed"]
  ])("cut to %i octets is %s", (octets, expected) => {
    assert.strictEqual(judge(truncated(octets), key), expected)
  })

  it("may be cut to half where that is enough, and not below ten octets", () => {
    assert.strictEqual(judge(truncated(16), key, { minMacOctets: 16 }), "Verified")
    const sha224 = keyOf("hmac-sha224")
    assert.strictEqual(
      judge(truncated(14, "hmac-sha224"), sha224, { minMacOctets: 10 }),
      "Verified"
    )
    assert.strictEqual(
      judge(truncated(13, "hmac-sha224"), sha224, { minMacOctets: 10 }),
      "Malformed"
    )
  })

  it("continues the request's in a reply, and each message's in a long one", () => {
    const asked = sign(request, key, { timeSigned: now })
    const next = sequence(key, asked.mac)
    const parts = [1, 2, 3].map((n) => next(M.message({ id: 0x1234, flags: 0x8000 | n }), now))
    let priorMac: Uint8Array = asked.mac
    parts.forEach((part, at) => {
      const timersOnly = at > 0
      assert.strictEqual(judge(part, key, { priorMac, timersOnly }), "Verified")
      assert.strictEqual(judge(part, key, { priorMac, timersOnly: !timersOnly }), "BadSig")
      assert.strictEqual(judge(part, key, { timersOnly }), "BadSig")
      priorMac = Either.getOrThrow(find(Either.getOrThrow(parse(part))))?.mac ?? Buffer.alloc(0)
    })
  })

  it("is empty where there is no key to make it with", () => {
    const bytes = Either.getOrThrow(
      refuse(
        M.message({}),
        { keyName: "nobody", algorithm: "hmac-md5.sig-alg.reg.int" },
        {
          timeSigned: now,
          error: rcode.BADKEY
        }
      )
    )
    const tsig = Either.getOrThrow(find(Either.getOrThrow(parse(bytes))))
    assert.strictEqual(tsig?.mac.length, 0)
    assert.strictEqual(tsig?.error, 17)
    assert.strictEqual(tsig?.keyName, "nobody")
    assert.strictEqual(tsig?.algorithm, "hmac-md5.sig-alg.reg.int")
  })
})

describe("a TSIG record", () => {
  const reason = (bytes: Buffer) =>
    Either.match(find(Either.getOrThrow(parse(bytes))), {
      onLeft: (error) => error.reason,
      onRight: (found) => (found === undefined ? "none" : "found")
    })
  const signed = sign(request, key, { timeSigned: now }).bytes
  const tsigRr = signed.subarray(request.length)
  const withRecords = (sections: M.Sections) => M.update("example.org", sections)

  it("must be the last record of the additional section, once", () => {
    assert.strictEqual(reason(withRecords({ additionals: [M.opt(1232), tsigRr] })), "found")
    for (const sections of [
      { additionals: [tsigRr, M.opt(1232)] },
      { additionals: [tsigRr, tsigRr] },
      { answers: [tsigRr] },
      { authorities: [tsigRr] }
    ])
      assert.strictEqual(reason(withRecords(sections)), "TSIG is not the last record")
  })

  it("must have class ANY, TTL 0 and lengths that add up", () => {
    const rdata = tsigRr.subarray(tsigRr.length - 61)
    const wrong = (over: Partial<M.Rr>) =>
      reason(
        withRecords({
          additionals: [M.rr({ owner: "k", type: type.TSIG, class: rrClass.ANY, rdata, ...over })]
        })
      )
    assert.strictEqual(wrong({}), "found")
    assert.strictEqual(wrong({ class: rrClass.IN }), "TSIG class or TTL")
    assert.strictEqual(wrong({ ttl: 1 }), "TSIG class or TTL")
    for (let octets = 0; octets < rdata.length; octets++)
      assert.notStrictEqual(wrong({ rdata: rdata.subarray(0, octets) }), "found")
    assert.notStrictEqual(wrong({ rdata: Buffer.concat([rdata, Buffer.alloc(1)]) }), "found")
  })

  it("must spell its algorithm out", () => {
    const rdata = Buffer.concat([Buffer.from([0xc0, 12]), Buffer.alloc(16)])
    assert.strictEqual(
      reason(
        withRecords({
          additionals: [M.rr({ owner: "k", type: type.TSIG, class: rrClass.ANY, rdata })]
        })
      ),
      "name is compressed where it must not be"
    )
  })

  it.prop("never throws, whatever its rdata", [FastCheck.uint8Array({ maxLength: 120 })], ([b]) => {
    const bytes = withRecords({
      additionals: [
        M.rr({ owner: "k", type: type.TSIG, class: rrClass.ANY, rdata: Buffer.from(b) })
      ]
    })
    const message = Either.getOrThrow(parse(bytes))
    const found = find(message)
    if (Either.isRight(found) && found.right !== undefined)
      assert.notStrictEqual(verify(message, found.right, key, { now })._tag, "Verified")
    return true
  })
})

describe("a TSIG key", () => {
  it.each(["hmac-md5", "hmac-md5.sig-alg.reg.int", "hmac-sha1", "hmac-sha256-128", "", "toString"])(
    "is refused for the algorithm %s",
    (algorithm) => {
      assert.isTrue(Either.isLeft(makeKey("k.example.org", algorithm, secret)))
    }
  )
  it.each(["a..b", `${"a".repeat(64)}.org`, "a b", "ü.org", `${"abc.".repeat(70)}org`])(
    "is refused for the name %s",
    (name) => {
      assert.isTrue(Either.isLeft(makeKey(name, "hmac-sha256", secret)))
    }
  )
  it("is refused without a secret, and known in any spelling", () => {
    assert.isTrue(Either.isLeft(makeKey("k", "hmac-sha256", Buffer.alloc(0))))
    assert.deepInclude(Either.getOrThrow(makeKey("K.Org.", "HMAC-SHA256.", secret)), {
      name: "k.org",
      algorithm: "hmac-sha256"
    })
  })
})

interface Recorded {
  readonly step: string
  readonly at: number
  readonly rcode: string
  readonly request: string
  readonly response: string
}

describe("recorded exchanges of a client and another node", () => {
  const fixture: {
    readonly keys: ReadonlyArray<{ tsig_key_name: string; tsig_secret_hex: string }>
    readonly exchanges: ReadonlyArray<Recorded>
  } = JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/tsig-updates.json"), "utf8"))
  const keys = new Map(
    fixture.keys.map((row) => {
      const made = Either.getOrThrow(
        makeKey(row.tsig_key_name, "hmac-sha256", Buffer.from(row.tsig_secret_hex, "hex"))
      )
      return [made.name, made] as const
    })
  )
  const expected: Readonly<Record<string, string>> = {
    "tsig: wrong secret is NOTAUTH": "BadSig",
    "tsig: unknown key is NOTAUTH": "BadKey",
    "tsig: stale time is NOTAUTH": "BadTime"
  }

  it("verify as their node found them, and so do its replies, wherever we hold the key", () => {
    let replies = 0
    for (const exchange of fixture.exchanges) {
      const asked = Either.getOrThrow(parse(Buffer.from(exchange.request, "hex")))
      const tsig = Either.getOrThrow(find(asked))
      if (tsig === undefined) continue
      const by = keys.get(tsig.keyName)
      const outcome = verify(asked, tsig, by, { now: exchange.at })
      assert.strictEqual(outcome._tag, expected[exchange.step] ?? "Verified", exchange.step)
      const answered = Buffer.from(exchange.response, "hex")
      const reply = Either.getOrThrow(find(Either.getOrThrow(parse(answered))))
      if (reply === undefined || outcome._tag !== "Verified") continue
      replies++
      assert.strictEqual(
        judge(answered, by, { now: exchange.at, priorMac: outcome.mac }),
        "Verified",
        exchange.step
      )
    }
    assert.isAbove(replies, 20)
  })
})
