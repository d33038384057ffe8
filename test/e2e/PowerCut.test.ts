/** What the node has confirmed is on the disk, not only in the kernel's memory. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import { straceMissing } from "../fixtures/CommitLoop.ts"
import { cutAfter, steps, traceOptions } from "../fixtures/PowerCut.ts"
import { liveRows } from "../zone/RecordStoreSuite.ts"
import { directory, publish, request, start } from "./NodeProcess.ts"

if (straceMissing !== undefined) console.warn(`SKIPPED: no power cut was tried: ${straceMissing}`)

const lanes = 8
const perLane = 60
/** How many moments of one run are tried. */
const moments = 12

const now = Math.floor(Date.UTC(2020, 0) / 1000)

/** The owners a store over copies of `files` holds. */
const heldIn = (dir: string, files: ReadonlyMap<string, Buffer>) => {
  mkdirSync(dir)
  for (const [path, content] of files) writeFileSync(join(dir, basename(path)), content)
  return Effect.map(
    liveRows(now).pipe(Effect.provide(SqlRecordStore.layerFile(join(dir, "dmp.db")))),
    (rows) => new Set<string>(rows.map(({ owner }) => owner))
  )
}

/** A run under strace with `extra` options; yields its trace once the node was killed. */
const tracedRun = (dir: string, extra: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const trace = join(dir, "trace")
      const data = join(dir, "data")
      mkdirSync(data)
      const node = yield* start({ DMP_DB_PATH: join(data, "dmp.db"), DMP_HTTP_RATE: "0" }, [
        ...["strace", ...traceOptions(trace)],
        ...extra
      ])
      yield* Effect.forEach(
        Array.from({ length: lanes }, (_, lane) => lane),
        (lane) =>
          Effect.forEach(
            Array.from({ length: perLane }, (_, i) => i),
            (i) =>
              request(node, `/v1/records/n${lane}-${i}.mesh.test`, {
                method: "POST",
                headers: { "x-request-id": `n${lane}-${i}.mesh.test` },
                body: JSON.stringify({ value: `${lane}-${i}-`.padEnd(1500, "x"), ttl: 3600 })
              })
          ),
        { concurrency: "unbounded", discard: true }
      )
      return { data, trace }
    })
  ).pipe(Effect.map(({ data, trace }) => ({ data, trace: readFileSync(trace, "latin1") })))

describe.skipIf(straceMissing !== undefined)("a cut", () => {
  const survives = (title: string, extra: ReadonlyArray<string>, failing: boolean) =>
    it.scopedLive(
      title,
      () =>
        Effect.gen(function* () {
          const dir = yield* directory
          const { data, trace } = yield* tracedRun(dir, extra)
          let seed = 1
          const chance = () => (seed = (seed * 48_271) % 2_147_483_647) % 2 === 0
          const all = steps(trace, data)
          const answers = all.filter(({ _tag }) => _tag === "Confirmed").length
          if (failing) assert.isBelow(answers, lanes * perLane, "no sync failed")
          else assert.strictEqual(answers, lanes * perLane)
          for (const [reaches, kept] of [
            [() => false, "none"],
            [chance, "some"]
          ] as const)
            for (let i = 1; i <= moments; i++) {
              const moment = Math.floor((answers * i) / moments)
              const { confirmed, files } = cutAfter(all, data, moment, reaches)
              const held = yield* heldIn(join(dir, `${kept}-${moment}`), files)
              const lost = confirmed.filter((owner) => !held.has(owner))
              assert.deepStrictEqual(lost, [], `after ${moment} answers, ${kept} of the rest kept`)
            }
        }),
      120_000
    )

  survives("of power loses nothing that was confirmed, whatever else reached the disk", [], false)
  survives(
    "of power after syncs that failed loses nothing that was confirmed before or since",
    ["-e", "inject=fsync,fdatasync:error=EIO:when=30..33"],
    true
  )

  it.scopedLive(
    "of the process alone, right after a sync that failed, loses nothing either",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const env = { DMP_DB_PATH: join(dir, "dmp.db"), DMP_HTTP_RATE: "0" }
        const confirmed: Array<string> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* start(env, [
              ...["strace", "-f", "--seccomp-bpf", "-o", "/dev/null"],
              ...["-e", "trace=fsync,fdatasync"],
              ...["-e", "inject=fsync,fdatasync:error=EIO:when=40+"]
            ])
            for (let i = 0; ; i++) {
              const { status } = yield* publish(node, `n${i}.mesh.test`, "v=1", 3600)
              if (status !== 201) return assert.strictEqual(status, 503)
              confirmed.push(`n${i}.mesh.test`)
            }
          })
        )
        assert.isAbove(confirmed.length, 0)
        const node = yield* start(env)
        for (const owner of confirmed)
          assert.strictEqual((yield* request(node, `/v1/records/${owner}`)).status, 200, owner)
        assert.strictEqual((yield* publish(node, "back.mesh.test", "v=1")).status, 201)
      }),
    60_000
  )
})
