import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as NameScope from "../../src/auth/NameScope.ts"
import * as Subject from "../../src/auth/Subject.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { keyFor } from "./TsigKeyStoreSuite.ts"

const zone = unsafeMake("example.com")
const may = (suffix: string, owner: string, operation: "add" | "delete" = "add") =>
  NameScope.allows(NameScope.compile([suffix]), operation, owner)

describe("a name scope", () => {
  it.each([
    ["id-1.example.com", "id-1.example.com", true],
    ["id-1.example.com", "prekeys.id-1.example.com", true],
    ["id-1.example.com", "xid-1.example.com", false],
    ["id-1.example.com", "example.com", false],
    [".ID-1.Example.Com.", "id-1.example.com", true],
    ["", "example.com", false],
    [".", "example.com", false]
  ])("%s covers %s: %s, to add and to delete alike", (suffix, owner, expected) => {
    assert.strictEqual(may(suffix, owner), expected)
    assert.strictEqual(may(suffix, owner, "delete"), expected)
  })

  const slot = "slot-*.mb-*.example.com"
  const chunk = "chunk-*-*.example.com"
  const claim = "claim-*.mb-*.example.com"
  it.each([
    [slot, "slot-0.mb-0123456789ab.example.com", true],
    [slot, "slot-9.mb-0123456789ab.example.com", true],
    [slot, "slot-10.mb-0123456789ab.example.com", false],
    [slot, "slot-.mb-0123456789ab.example.com", false],
    [slot, "slot-1.mb-.example.com", false],
    [slot, "slot-1.mb-0123456789a.example.com", false],
    [slot, "slot-1.mb-0123456789abc.example.com", false],
    [slot, "slot-1.mb-0123456789AB.example.com", false],
    [slot, "evil.slot-1.mb-0123456789ab.example.com", false],
    [slot, "slot-1.mb-0123456789ab.evil.example.com", false],
    [slot, "slot-1.mb-0123456789ab.example.com.evil.org", false],
    [slot, "slot-1.mb-0123456789abXexample.com", false],
    [chunk, "chunk-0000-0123456789ab.example.com", true],
    [chunk, "chunk-10000-0123456789ab.example.com", true],
    [chunk, "chunk-1-0123456789ab.example.com", false],
    [chunk, "chunk--.example.com", false],
    [chunk, "chunk-0000-0123456789ab.x.example.com", false],
    [claim, "claim-3.mb-0123456789ab.example.com", true],
    [claim, "claim-33.mb-0123456789ab.example.com", false],
    ["_dnsmesh-claim-*.example.com", "_dnsmesh-claim-0123456789abcdef.example.com", true],
    ["_dnsmesh-claim-*.example.com", "_dnsmesh-claim-.example.com", false],
    ["slot-*.mb-0123456789ab.example.com", "slot-4.mb-0123456789ab.example.com", true],
    ["slot-*.mb-0123456789ab.example.com", "slot-4.mb-ffff56789abc.example.com", false],
    ["a*b*a.example.com", "a1b1a.example.com", true],
    ["a*b*a.example.com", "abba.example.com", false],
    ["a*a.example.com", "aa.example.com", false],
    ["a*a.example.com", "a-a.example.com", true],
    ["**.example.com", "a.example.com", false],
    ["**.example.com", "ab.example.com", true],
    ["*.example.com", "a.example.com", true],
    ["*.example.com", "a.b.example.com", false],
    ["*.example.com", "example.com", false]
  ])("%s covers %s: %s, and never to delete", (suffix, owner, expected) => {
    assert.strictEqual(may(suffix, owner), expected)
    assert.isFalse(may(suffix, owner, "delete"))
  })

  it("lets a literal scope delete what a pattern also covers", () => {
    const scopes = NameScope.compile([slot, "mb-0123456789ab.example.com"])
    assert.isTrue(NameScope.allows(scopes, "delete", "slot-1.mb-0123456789ab.example.com"))
    assert.isFalse(NameScope.allows(scopes, "delete", "slot-1.mb-ffff56789abc.example.com"))
  })

  it.prop(
    "takes any text for a scope, and none of it reaches outside its zone",
    [FastCheck.string({ maxLength: 30 })],
    ([text]) => {
      const scopes = NameScope.compile([`${text}.example.com`])
      assert.isFalse(NameScope.allows(scopes, "add", "other.org"))
      return true
    }
  )

  it.prop(
    "matches as the regular expression of its stars does",
    [FastCheck.stringMatching(/^[ab*]{1,6}$/), FastCheck.stringMatching(/^[ab]{1,8}$/)],
    ([label, owner]) => {
      const expression = new RegExp(`^${label.replaceAll("*", ".+")}$`)
      const expected = label.includes("*") && expression.test(owner)
      if (label.includes("*"))
        assert.strictEqual(may(`${label}.example.com`, `${owner}.example.com`), expected)
      return true
    }
  )

  it("backtracks on no name, however many stars there are", () => {
    const owner = `${"a".repeat(60)}.example.com`
    assert.isFalse(may(`${"*a".repeat(20)}b.example.com`, owner))
  }, 1000)

  it("tells the content policy which key its holder registered with, if any", () => {
    assert.strictEqual(NameScope.grant("alice", [], [], "ab").registeredSpk, "ab")
    assert.isUndefined(NameScope.grant("alice", [], []).registeredSpk)
  })

  it("grants a writer of shared names no shortening", () => {
    const scopes = NameScope.compile([slot, "id-1.example.com"])
    const shortens = (...owners: ReadonlyArray<string>) =>
      NameScope.grant("alice", scopes, owners.map(unsafeMake)).mayShorten
    assert.strictEqual(NameScope.grant("alice", scopes, []).subject, "alice")
    const shared = [unsafeMake("slot-1.mb-0123456789ab.example.com")]
    assert.strictEqual(NameScope.grant("alice", scopes, shared).subject, "user")
    assert.isTrue(shortens("id-1.example.com"))
    assert.isFalse(shortens("slot-1.mb-0123456789ab.example.com"))
    assert.isFalse(shortens("id-1.example.com", "slot-1.mb-0123456789ab.example.com"))
  })
})

describe("the scopes of a new key", () => {
  const minted = (options: Partial<Parameters<typeof NameScope.minted>[0]>) =>
    NameScope.minted({
      subject: Subject.unsafeMake("alice@example.com"),
      zone,
      spk: "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
      x25519Pub: "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59",
      width: "default",
      ...options
    })

  it("are the holder's own names and the shared ones", () => {
    assert.deepStrictEqual(minted({}), [
      "_dnsmesh-claim-*.example.com",
      "_dnsmesh-claim-03a107bff3ce10be.example.com",
      "chunk-*-*.example.com",
      "claim-*.mb-*.example.com",
      "dmp.alice.example.com",
      "id-2bd806c97f0e.example.com",
      "id-2bd806c97f0e00af.example.com",
      "mb-b2f86d448584.example.com",
      "slot-*.mb-*.example.com"
    ])
  })

  it("are without the shared names when tight, and the zone when loose", () => {
    assert.deepStrictEqual(minted({ width: "tight" }), [
      "_dnsmesh-claim-03a107bff3ce10be.example.com",
      "dmp.alice.example.com",
      "id-2bd806c97f0e.example.com",
      "id-2bd806c97f0e00af.example.com",
      "mb-b2f86d448584.example.com"
    ])
    assert.deepStrictEqual(minted({ width: "loose" }), ["example.com"])
  })

  it("hold no identity for a subject of another domain, whose local part hashes alike", () => {
    assert.deepStrictEqual(
      minted({
        subject: Subject.unsafeMake("alice@evil.org"),
        x25519Pub: undefined,
        width: "tight"
      }),
      ["_dnsmesh-claim-03a107bff3ce10be.example.com"]
    )
  })

  it("hold no anchor for a local part that is no label", () => {
    const suffixes = minted({ subject: Subject.unsafeMake("a.b+c@example.com") })
    assert.isFalse(suffixes.some((suffix) => suffix.startsWith("dmp.")))
  })
})

describe("the mailboxes a key speaks for", () => {
  const pub = "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59"
  const of = (registeredX25519Pub: string, ...allowedSuffixes: ReadonlyArray<string>) => [
    ...NameScope.recipients(keyFor("k", { registeredX25519Pub, allowedSuffixes }), zone)
  ]
  const own = "b2f86d448584"
  it.each<[string, string, ReadonlyArray<string>, ReadonlyArray<string>]>([
    ["the whole zone", pub, ["example.com"], [own]],
    ["any mailbox", pub, ["mb-*.example.com"], [own]],
    ["shared slots", pub, ["slot-*.mb-*.example.com"], [own]],
    ["shared claims", pub, ["claim-*.mb-*.example.com"], [own]],
    ["a mailbox by name, without a key", "", ["mb-0123456789ab.example.com"], ["0123456789ab"]],
    ["a child zone", pub, ["mb-*.sub.example.com", "sub.example.com"], []],
    ["another zone", pub, ["mb-0123456789ab.example.org"], []],
    ["an identity alone", pub, ["id-2bd806c97f0e.example.com"], []],
    ["shared slots, without a key", "", ["slot-*.mb-*.example.com"], []],
    ["a key that is none", "zz", ["example.com"], []]
  ])("for %s", (_, x25519, suffixes, expected) => {
    assert.deepStrictEqual(of(x25519, ...suffixes), expected)
  })
})
