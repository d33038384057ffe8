/** Nodes whose keys the operator certified, as processes: no token is set anywhere. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { runNode } from "./Admin.ts"
import * as C from "./ClusterProcess.ts"
import { directory, launch, publish, request } from "./NodeProcess.ts"

describe("a cluster of nodes that sign", () => {
  it.scopedLive(
    "replicates without a token, takes none, and puts a node out at once",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const key = join(dir, "operator.key")
        const made = yield* runNode({}, "cluster", "keygen", "--out", key)
        const spk = /^DMP_SYNC_OPERATOR_SPK=([0-9a-f]{64})$/m.exec(made.output)?.[1] ?? ""
        const identity = (id: string) => join(dir, `${id}.identity`)
        const all = yield* C.members(["a", "b", "c"], {
          env: (id) => ({
            DMP_SYNC_OPERATOR_SPK: spk,
            DMP_CLUSTER_BASE_DOMAIN: C.zone,
            DMP_CLUSTER_FILE: join(dir, "cluster.json"),
            DMP_SYNC_PEER_TOKEN: "",
            DMP_SYNC_AUTH: "signed",
            DMP_SYNC_NODE_IDENTITY_FILE: identity(id)
          }),
          peersOf: () => []
        })
        const [ma, mb, mc] = C.three(all)
        const nodes = (some: typeof all) =>
          some.flatMap((member) => ["--node", `${member.id}=${C.urlOf(member)}`])
        const sign = (seq: number, some: typeof all, ...out: ReadonlyArray<string>) =>
          runNode(
            {},
            ...["cluster", "sign", "--key", key, "--name", C.zone, "--seq", String(seq)],
            ...nodes(some),
            ...out
          )
        yield* sign(1, all, "--out", join(dir, "cluster.json"))
        for (const { id } of all) {
          const certified = yield* runNode(
            {},
            ...["cluster", "certify", "--key", key, "--name", C.zone, "--node", id],
            ...["--out", identity(id)]
          )
          assert.strictEqual(certified.code, 0, certified.output)
        }
        const [a, b, c] = C.three(yield* Effect.forEach(all, C.run, { concurrency: "unbounded" }))
        const has = (node: typeof a, owner: string) =>
          Effect.map(C.valuesAt(node, owner), (values) => values.includes("v=1"))
        const put = (node: typeof a, owner: string) =>
          Effect.map(publish(node, owner, "v=1", 300, C.operatorToken), ({ status }) =>
            assert.strictEqual(status, 201)
          )
        for (const [at, node] of [a, b, c].entries()) {
          yield* put(node, `from-${at}.${C.zone}`)
          for (const other of [a, b, c]) yield* C.until(has(other, `from-${at}.${C.zone}`), 5000)
        }
        for (const token of [C.syncToken, C.operatorToken, ""])
          assert.strictEqual((yield* C.ask(ma, "/v1/sync/digest", token)).status, 403)
        const status = yield* C.ask(ma, "/v1/sync/status", C.operatorToken)
        assert.match(status.body, /"peer":"b","by":"signature"/)
        assert.match(status.body, /"shown":"signature"/)

        // Nothing of a key is shown anywhere.
        const seed = readFileSync(identity("a"), "utf8").slice(0, 64)
        const shown = yield* runNode(ma.env, "check-config")
        assert.notInclude(a.output() + status.body + shown.output, seed)

        const wire = (yield* sign(2, [ma, mb])).output.trim()
        const installed = yield* publish(a, `cluster.${C.zone}`, wire, 3600, C.operatorToken)
        assert.strictEqual(installed.status, 201)
        for (const member of [ma, mb])
          yield* C.until(
            Effect.map(C.ask(member, "/v1/sync/status", C.operatorToken), ({ body }) =>
              body.includes('"seq":"2"')
            ),
            5000
          )
        yield* put(a, `after.${C.zone}`)
        yield* C.until(has(b, `after.${C.zone}`), 5000)
        yield* C.until(
          Effect.map(request(a, "/metrics", C.bearer(C.operatorToken)), ({ body }) =>
            /^dmp_sync_refusals_total\{reason="not-a-member"\} [1-9]/m.test(body)
          ),
          10_000
        )
        assert.isFalse(yield* has(c, `after.${C.zone}`))
        const putOut = yield* C.ask(mc, "/v1/sync/status", C.operatorToken)
        assert.match(putOut.body, /refuses our sync token or signature/)
      }),
    60_000
  )

  it.scopedLive("does not start with the identity of another, or of nobody", () =>
    Effect.gen(function* () {
      const [member] = yield* C.members(["a"], { peersOf: () => [] })
      assert.isDefined(member)
      for (const env of [
        { DMP_SYNC_AUTH: "signed" },
        { DMP_SYNC_NODE_IDENTITY: `${"11".repeat(32)} dnsmesh-node-1;a` }
      ]) {
        const node = yield* launch(["serve"], { ...member.env, ...env })
        assert.deepStrictEqual(yield* node.ended, { code: 78, signal: null })
        assert.match(node.output(), /DMP_SYNC_(AUTH|NODE_IDENTITY)/)
        assert.notInclude(node.output(), "1111")
      }
    })
  )
})
