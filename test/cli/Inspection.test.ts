/** What `records check` finds in rows that no release would have left. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Inspection } from "../../src/cli/records/Inspection.ts"
import { policyOf } from "../../src/cli/records/Judgement.ts"
import * as Settings from "../../src/Settings.ts"
import type { RawRow } from "../../src/sql/RecordReader.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"
import { now, samples } from "../dmp/samples.ts"

const good = (value = "x", name = "n1.mesh.test"): RawRow => ({
  name,
  value,
  ttl: 600,
  created_at: now,
  expires_at: now + 600,
  stored_ts: now * 1000,
  value_hash: valueHash(value)
})

const inspect = (
  rows: ReadonlyArray<RawRow>,
  environment: Readonly<Record<string, string>> = {},
  quick = false
) =>
  Effect.gen(function* () {
    const { config } = yield* Settings.loadConfig(
      { DMP_SERVED_ZONE: "mesh.test", DMP_OPERATOR_TOKEN: "t0p-s3cret", ...environment },
      { mayCreate: false }
    )
    const inspection = new Inspection(config, quick ? undefined : policyOf(config, false), now)
    for (const row of rows) inspection.take(row)
    return inspection
  }).pipe(Effect.provide(NodeFileSystem.layer))

const codes = (inspection: Inspection) =>
  inspection.troubles.map(({ code, level }) => `${level} ${code}`)

describe("records check", () => {
  it.effect("finds nothing in what a node writes", () =>
    Effect.gen(function* () {
      const inspection = yield* inspect([good(), good("y"), good("z", "_x.mesh.test")])
      assert.deepStrictEqual(inspection.troubles, [])
      assert.deepStrictEqual([inspection.rows, inspection.live], [3, 3])
    })
  )

  const cases: ReadonlyArray<readonly [string, RawRow]> = [
    ["fail shape", { ...good(), ttl: "60" }],
    ["fail shape", { ...good(), name: Buffer.from("x") }],
    ["fail shape", { ...good(), ttl: 0 }],
    ["fail hash-wrong", { ...good(), value_hash: valueHash("other") }],
    ["warn hash-missing", { ...good(), value_hash: "" }],
    ["warn stored-in-seconds", { ...good(), stored_ts: now }],
    ["warn stored-ahead", { ...good(), stored_ts: (now + 200_000) * 1000 }],
    ["warn not-swept", { ...good(), expires_at: now - 4000 }],
    ["warn name-unservable", good("x", "a b.mesh.test")],
    ["warn name-not-canonical", good("x", "N1.mesh.test")],
    ["warn outside-zones", good("x", "n1.other.test")],
    ["warn value-characters", good('a"b')],
    ["warn ttl", { ...good(), ttl: 86_401 }],
    ["warn value-bytes", good("x".repeat(2049))],
    ["fail record-base64", good("v=dmp1;t=identity;d=!!", "id-0123456789abcdef.mesh.test")]
  ]
  it.effect.each(cases)("finds %s, and says what to do", ([expected, row]) =>
    Effect.gen(function* () {
      const inspection = yield* inspect([row])
      assert.deepStrictEqual(codes(inspection), [expected])
      assert.isAbove(inspection.troubles[0]!.remedy.length, 20)
    })
  )

  it.effect("verifies signatures, and leaves them out when asked to be quick", () =>
    Effect.gen(function* () {
      const name = "slot-1.mb-0123456789ab.mesh.test"
      const forged = samples.claim.slice(0, -8) + "AAAAAAA="
      const row = good(forged, name.replace("slot", "claim"))
      const found = codes(yield* inspect([row]))
      assert.strictEqual(found.length, 1)
      assert.match(found[0]!, /^fail record-/)
      assert.deepStrictEqual(codes(yield* inspect([row], {}, true)), [])
    })
  )

  it.effect("counts the values of a name, and all of them", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 3 }, (_, i) => good(`v${i}`))
      const caps = { DMP_MAX_VALUES_PER_NAME: "2", DMP_MAX_RECORDS: "3" }
      assert.deepStrictEqual(codes(yield* inspect(many, caps)), ["warn values-per-name"])
      const spread = [...many.slice(0, 2), good("x", "n2.mesh.test"), good("x", "n3.mesh.test")]
      const { troubles } = yield* inspect(spread, caps)
      assert.deepInclude(troubles[0], { code: "records", count: 4 })
      const large = Array.from({ length: 40 }, (_, i) => good(`${i}`.padEnd(2000, "x")))
      assert.deepStrictEqual(codes(yield* inspect(large)), ["warn rrset-bytes"])
    })
  )

  it.effect("keeps few names, however many rows are wrong", () =>
    Effect.gen(function* () {
      const rows = Array.from({ length: 1000 }, (_, i) => good("x", `n${i}.other.test`))
      const { troubles } = yield* inspect(rows)
      assert.strictEqual(troubles[0]!.count, 1000)
      assert.strictEqual(troubles[0]!.names.length, 5)
    })
  )
})
