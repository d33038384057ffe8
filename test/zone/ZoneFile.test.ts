import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck, Option } from "effect"
import { type Name, unsafeMake } from "../../src/wire/Name.ts"
import { fromConfig } from "../../src/zone/ServedZones.ts"
import * as ZoneFile from "../../src/zone/ZoneFile.ts"
import { zoneDefaults } from "../dns/DnsFixture.ts"
import { installed, run } from "../fixtures/Tools.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

const zones: ReadonlyArray<Name> = [unsafeMake("mesh.test"), unsafeMake("other.test")]
const parse = (text: string) => ZoneFile.parse(text, { zones, ttl: 60 })
const records = (text: string) =>
  Either.getOrThrowWith(parse(text), (it) => new Error(JSON.stringify(it))).map(
    ({ owner, rdata, ttl, type }) => `${owner} ${ttl} ${type} ${rdata.toString("latin1")}`
  )
const mistakes = (text: string) =>
  Either.match(parse(text), {
    onLeft: (all) => all.map(({ line, problem }) => `${line}: ${problem}`),
    onRight: () => []
  })

const example = `
; what stands in the zones
$TTL 1h
@         IN NS   ns1
          IN NS   ns2.example.net.
ns1       300 IN A 192.0.2.1
          IN 5m AAAA 2001:db8::1
@         MX 10 mail
          TXT "v=spf1 -all" ; no mail
          TXT ( "two"
                "strings" )
          CAA 0 issue "ca.example; x=1"
_Dmarc.Sub TXT a\\;b\\034\\"c\\"
$ORIGIN other.test.
@   MX 0 .
www A 192.0.2.2
`

describe("ZoneFile", () => {
  it("reads owners, TTLs and classes in every order, quotes, escapes and parentheses", () => {
    assert.deepStrictEqual(records(example), [
      "mesh.test 3600 2 \x03ns1\x04mesh\x04test\0",
      "mesh.test 3600 2 \x03ns2\x07example\x03net\0",
      "ns1.mesh.test 300 1 \xc0\x00\x02\x01",
      "ns1.mesh.test 300 28 \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
      "mesh.test 3600 15 \x00\x0a\x04mail\x04mesh\x04test\0",
      "mesh.test 3600 16 \x0bv=spf1 -all",
      "mesh.test 3600 16 \x03two\x07strings",
      "mesh.test 3600 257 \x00\x05issueca.example; x=1",
      '_dmarc.sub.mesh.test 3600 16 \x08a;b""c"'.replace("\x08a", "\x07a"),
      "other.test 3600 15 \0\0\0",
      "www.other.test 3600 1 \xc0\x00\x02\x02"
    ])
  })

  it("names every mistake with its line", () => {
    assert.deepStrictEqual(
      mistakes(
        [
          "@ A 192.0.2.256",
          "@ AAAA 192.0.2.1",
          "@ SOA a b 1 2 3 4 5",
          "@ CNAME x",
          "@",
          "x.example.org. A 192.0.2.1",
          "sub NS ns1",
          "*.x TXT a",
          "@ MX mail",
          "@ MX 70000 mail",
          "@ CAA 0 is-sue x",
          "$INCLUDE x",
          "$TTL 99999999999",
          '@ TXT "' + "x".repeat(256) + '"',
          "@ TXT",
          "@ CH TXT x"
        ].join("\n")
      ).map((it) => it.slice(0, 32)),
      [
        "1: 192.0.2.256 is no IPv4 address",
        "2: 192.0.2.1 is no IPv6 address",
        "3: the SOA record is made from the settings, leave it out",
        "4: CNAME: known are A, AAAA, NS, MX, CAA, TXT",
        "5: no type: known are A, AAAA, NS, MX, CAA, TXT",
        "6: x.example.org is in no zone of this node; further zones are named in DMP_EXTRA_ZONES",
        "7: NS below the apex would delegate sub.mesh.test, which this node does not do",
        "8: *.x is no name this node can serve",
        "9: needs a preference and the name of a server",
        "10: the preference must be a number from 0 to 65535",
        "11: is-sue is no CAA tag",
        "12: $INCLUDE is not known here",
        "13: TTL 99999999999 is too long",
        "14: a string is over 255 octets",
        "15: needs a text",
        "16: CH: known are A, AAAA, NS, MX, CAA, TXT"
      ].map((it) => it.slice(0, 32))
    )
    assert.deepStrictEqual(mistakes('\n@ TXT "open\n'), ["2: a quote is not closed"])
    assert.deepStrictEqual(mistakes("@ TXT ( a\nb\n"), ["1: a ( is not closed"])
    assert.deepStrictEqual(mistakes("@ TXT a )\n"), ["1: a ) closes nothing"])
    assert.deepStrictEqual(mistakes("@ TXT a\\999\n"), ["1: an escape is not \\DDD or \\X"])
    assert.deepStrictEqual(mistakes("  A 192.0.2.1\n"), ["1: there is no owner name before it"])
  })

  it("never throws, whatever the file holds", () => {
    const piece = FastCheck.constantFrom(
      "@",
      " ",
      "\n",
      "TXT",
      "A",
      "IN",
      "1h",
      '"',
      "\\",
      "(",
      ")",
      ";",
      "$TTL",
      "$ORIGIN",
      "x.",
      "\\255"
    )
    FastCheck.assert(
      FastCheck.property(
        FastCheck.oneof(
          FastCheck.array(piece, { maxLength: 30 }).map((it) => it.join("")),
          FastCheck.string({ unit: "binary", maxLength: 60 })
        ),
        (text) => void parse(text)
      ),
      { numRuns: 3000 }
    )
  })

  it.scoped("is left as a mistake of DMP_ZONE_FILE, for the node to end with", () =>
    Effect.gen(function* () {
      const file = join(yield* tempDirectory, "zone")
      const load = (path: string) => ZoneFile.load(Option.some(path), { zones, ttl: 60 })
      const missing = yield* Effect.flip(load(file))
      assert.match(missing.lines[0] ?? "", /^DMP_ZONE_FILE: .*zone cannot be read: .*ENOENT/)
      writeFileSync(file, "\n\n@ A nonsense\n")
      const { lines } = yield* Effect.flip(load(file))
      assert.deepStrictEqual(lines, [`DMP_ZONE_FILE: ${file}, line 3: nonsense is no IPv4 address`])
      writeFileSync(file, example)
      assert.strictEqual((yield* load(file)).length, 11)
    })
  )

  it("joins what the settings say about the apex, and the addresses it gives are kept", () => {
    const text = "@ NS ns1\n@ NS ns2\nns1 A 192.0.2.53\n"
    const [zone] = fromConfig(
      { ...zoneDefaults, zones: [unsafeMake("mesh.test")], apexA: ["192.0.2.1"] },
      Either.getOrThrow(parse(text))
    )
    const at = (owner: string, type: number) =>
      [...(zone?.records ?? [])]
        .filter(([key]) => key === owner)
        .flatMap(([, types]) => types.get(type)?.rdatas ?? [])
        .map((rdata) => rdata.toString("hex"))
    assert.strictEqual(zone?.soa.mname, "ns1.mesh.test")
    assert.strictEqual(at("\x04mesh\x04test", 2).length, 2)
    assert.deepStrictEqual(at("\x04mesh\x04test", 1), ["c0000201"])
    assert.deepStrictEqual(at("\x03ns1\x04mesh\x04test", 1), ["c0000235"])
    assert.deepStrictEqual(at("\x03ns2\x04mesh\x04test", 1), ["c0000201"])
  })

  it.live.skipIf(!installed("named-checkzone"))("reads what BIND reads", () =>
    Effect.gen(function* () {
      const [zoneText] = example.split("$ORIGIN")
      const soa = "@ 60 IN SOA ns1 hostmaster 1 2 3 4 5\n"
      const file = join(yield* tempDirectory, "zone")
      writeFileSync(file, `$ORIGIN mesh.test.\n${soa}${zoneText}\nmail A 192.0.2.9\n`)
      const { stdout } = yield* run("named-checkzone", [
        "-D",
        "-q",
        "-i",
        "none",
        "mesh.test",
        file
      ])
      const dumped = stdout.replace(/^.*\tSOA\t.*$/m, "").replace(/^.*\sSOA\s.*$/m, "")
      assert.deepStrictEqual(
        records(dumped).sort(),
        [...records(`${zoneText}\nmail A 192.0.2.9\n`)].sort()
      )
    }).pipe(Effect.scoped)
  )
})
