import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Audit, type AuditEntry } from "../../src/auth/Audit.ts"
import * as M from "../wire/messages.ts"
import * as H from "./UpdateHarness.ts"

const { zone } = H
const adding = (owner: string, value = "v") =>
  M.update(zone, { authorities: [M.add(owner, value)] })

describe("the audit of signed updates", () => {
  it.effect("names the holder of own names, and nobody else ever", () => {
    const rows: Array<AuditEntry> = []
    const audit = Layer.succeed(Audit, {
      record: (entry) => void rows.push(entry),
      flush: Effect.void
    })
    const shared = `slot-3.mb-0123456789ab.${zone}`
    return Effect.gen(function* () {
      yield* H.atNow
      yield* Effect.gen(function* () {
        const key = H.alice
        yield* H.send(adding(H.identity), { key })
        yield* H.send(adding(shared), { key })
        yield* H.send(
          M.update(zone, { authorities: [M.add(H.identity, "w"), M.add(shared, "w")] }),
          { key }
        )
        yield* H.send(adding(`other.${zone}`), { key })
        yield* H.send(adding(H.identity, "x"), { key })
        yield* H.send(M.update(zone, {}), { key: H.loose })
        yield* H.send(adding(H.claimName(), H.claim()))
      }).pipe(
        Effect.provide(
          H.layer({ env: { DMP_TSIG_BURST: "4", DMP_TSIG_RATE: "1" } }).pipe(Layer.provide(audit))
        )
      )
      const holder = { tokenHash: `tsig:${H.alice.name}`, subject: "alice@mesh.test" }
      assert.deepStrictEqual(
        rows.map((row) => [row.event, row.holder]),
        [
          ["used", holder],
          ["used", null],
          ["used", null],
          ["rejected", null],
          ["throttled", null]
        ]
      )
      for (const row of rows)
        for (const owner of [H.identity, shared, `other.${zone}`])
          assert.notInclude(JSON.stringify(row), owner)
    })
  })
})
