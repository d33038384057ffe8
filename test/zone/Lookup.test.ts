import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { encode } from "dns-packet"
import { QueryReader } from "../../src/wire/Query.ts"
import { parse, unsafeMake } from "../../src/wire/Name.ts"
import { LiveZone } from "../../src/zone/LiveZone.ts"
import { Lookup } from "../../src/zone/Lookup.ts"
import { fromConfig } from "../../src/zone/ServedZones.ts"
import type { ZoneConfigShape } from "../../src/zone/ZoneConfig.ts"

const config: ZoneConfigShape = {
  servedZone: parse("mesh.test"),
  zones: [unsafeMake("mesh.test"), unsafeMake("deep.mesh.test")],
  claimProviderZone: Option.none(),
  clusterBaseDomain: Option.none(),
  dnsTtl: 60,
  negativeTtl: 30,
  apexA: ["192.0.2.1"],
  apexAaaa: [],
  apexNs: [unsafeMake("ns1.sub.mesh.test")],
  soaRname: Option.none(),
  nodeHostname: Option.none(),
  cleanupInterval: 60
}

const holding = (...owners: ReadonlyArray<string>) => {
  const live = new LiveZone(0)
  live.apply(
    owners.map((owner) => ({
      _tag: "Put",
      row: { owner: unsafeMake(owner), value: "v", ttl: 9, createdAt: 0, expiresAt: 10 }
    }))
  )
  return live
}

const reader = new QueryReader()
const ask = (live: LiveZone, name: string, type: "TXT" | "A" | "SOA" | "NS", now = 0) => {
  reader.read(encode({ type: "query", questions: [{ name, type }] }))
  const lookup = new Lookup(live, fromConfig(config))
  const outcome = lookup.find(reader.name, reader.type, now)
  return `${outcome} ${lookup.zone?.name ?? "-"}`
}

describe("Lookup", () => {
  const live = holding("slot-3.mb-00aa11bb22cc.mesh.test", "x.deep.mesh.test", "elsewhere.org")
  const cases: ReadonlyArray<readonly [string, "TXT" | "A" | "SOA" | "NS", string]> = [
    ["slot-3.mb-00aa11bb22cc.mesh.test", "TXT", "answer mesh.test"],
    ["SLOT-3.MB-00aa11bb22cc.Mesh.Test", "TXT", "answer mesh.test"],
    ["slot-3.mb-00aa11bb22cc.mesh.test", "A", "nodata mesh.test"],
    ["mb-00aa11bb22cc.mesh.test", "TXT", "nodata mesh.test"],
    ["mb-ffffffffffff.mesh.test", "TXT", "nodata mesh.test"],
    ["mb-ffffffffffff.sub.mesh.test", "TXT", "nxdomain mesh.test"],
    ["missing.mesh.test", "TXT", "nxdomain mesh.test"],
    ["missing.mesh.test", "A", "nodata mesh.test"],
    ["mesh.test", "SOA", "soa mesh.test"],
    ["mesh.test", "NS", "answer mesh.test"],
    ["mesh.test", "A", "answer mesh.test"],
    ["mesh.test", "TXT", "nodata mesh.test"],
    ["ns1.sub.mesh.test", "A", "answer mesh.test"],
    ["sub.mesh.test", "TXT", "nodata mesh.test"],
    ["deep.mesh.test", "SOA", "soa deep.mesh.test"],
    ["x.deep.mesh.test", "TXT", "answer deep.mesh.test"],
    ["y.deep.mesh.test", "TXT", "nxdomain deep.mesh.test"],
    ["notmesh.test", "TXT", "refused -"],
    ["test", "SOA", "refused -"],
    ["elsewhere.org", "TXT", "answer -"],
    ["elsewhere.org", "A", "refused -"]
  ]
  for (const [name, type, expected] of cases)
    it(`${name} ${type} is ${expected}`, () => assert.strictEqual(ask(live, name, type), expected))

  it("a value whose second has come is not there any more, swept or not", () => {
    assert.strictEqual(ask(holding("a.mesh.test"), "a.mesh.test", "TXT", 9), "answer mesh.test")
    assert.strictEqual(ask(holding("a.mesh.test"), "a.mesh.test", "TXT", 10), "nxdomain mesh.test")
  })

  it("without any zone it answers what it holds and knows no SOA", () => {
    const lookup = new Lookup(holding("a.b"), [])
    const find = (name: string, type: "TXT" | "A") => {
      reader.read(encode({ type: "query", questions: [{ name, type }] }))
      return lookup.find(reader.name, reader.type, 0)
    }
    assert.strictEqual(find("a.b", "TXT"), "answer")
    assert.strictEqual(find("b", "TXT"), "nodata")
    assert.strictEqual(find("c", "TXT"), "nxdomain")
    assert.strictEqual(find("c", "A"), "nodata")
  })
})
