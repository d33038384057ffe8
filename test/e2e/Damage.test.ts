/** A node whose database is damaged: it stops as it always has, however late the damage is found. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { damage, make } from "../fixtures/LargeDatabase.ts"
import { directory, launch, publish, request, start } from "./NodeProcess.ts"

const now = () => Math.floor(performance.timeOrigin / 1000)

const said = /^dnsmesh-node: \S+dmp\.db is damaged \(.+\); restore a backup$/m

describe("a large database", () => {
  it.scopedLive(
    "is served, becomes ready and takes writes",
    () =>
      Effect.gen(function* () {
        const path = join(yield* directory, "dmp.db")
        yield* make(path, now())
        const node = yield* start({ DMP_DB_PATH: path })
        assert.strictEqual((yield* publish(node, "third.mesh.test", "3")).status, 201)
        assert.strictEqual((yield* request(node, "/readyz")).status, 200)
        assert.include(node.output(), `${path} is sound`)
      }),
    60_000
  )

  it.scopedLive(
    "that is damaged where no answer comes from stops the node that serves it",
    () =>
      Effect.gen(function* () {
        const path = join(yield* directory, "dmp.db")
        yield* make(path, now())
        yield* damage(path, "idx_records_expires")
        const before = readFileSync(path)
        const node = yield* start({ DMP_DB_PATH: path })
        assert.strictEqual((yield* node.ended).code, 74)
        assert.match(node.output(), said)
        assert.include(node.output(), "the node stops")
        assert.isTrue(readFileSync(path).equals(before))
      }),
    60_000
  )

  it.scopedLive(
    "that is damaged where the zone is filled from stops the node before it serves",
    () =>
      Effect.gen(function* () {
        const path = join(yield* directory, "dmp.db")
        yield* make(path, now())
        yield* damage(path, "records")
        const before = readFileSync(path)
        const node = yield* launch(["serve"], {
          DMP_DB_PATH: path,
          DMP_DNS_HOST: "127.0.0.1",
          DMP_DNS_PORT: "0",
          DMP_HTTP_HOST: "127.0.0.1",
          DMP_HTTP_PORT: "0"
        })
        assert.strictEqual((yield* node.ended).code, 74)
        assert.match(node.output(), said)
        assert.notInclude(node.output(), "DMP node up")
        assert.isTrue(readFileSync(path).equals(before))
      }),
    60_000
  )
})
