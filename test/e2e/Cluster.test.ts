/** Three nodes of a cluster, from outside, through everything that may befall one of them. */
import { writeFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Either } from "effect"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Octets from "../../src/dmp/Octets.ts"
import * as Record from "../../src/dmp/Record.ts"
import { runNode } from "./Admin.ts"
import * as C from "./ClusterProcess.ts"
import { directory, launch, publish, request } from "./NodeProcess.ts"

/** Records that come to be while a node is away: most in the database of one that is down too. */
const [bulk, published] = [44_000, 6000]
const count = bulk + published
const has = (node: Parameters<typeof C.valuesAt>[0], owner: string, value: string) =>
  Effect.map(C.valuesAt(node, owner), (values) => values.includes(value))
const lacks = (node: Parameters<typeof C.valuesAt>[0], owner: string, value: string) =>
  Effect.map(has(node, owner, value), (held) => !held)

describe("a cluster of three processes", () => {
  it.scopedLive("has everywhere what was published or deleted anywhere", () =>
    Effect.gen(function* () {
      // No round comes of itself within this test: what arrives was pushed at once.
      const all = yield* C.members(["a", "b", "c"], {
        env: () => ({ DMP_SYNC_INTERVAL: "3600" })
      })
      const nodes = yield* Effect.forEach(all, C.run, { concurrency: "unbounded" })
      // Also whoever started before the others has found them, for they have said that they are there.
      for (const member of all)
        yield* C.until(
          Effect.map(
            C.status(member),
            ({ peers }) => peers.length === 2 && peers.every(({ state }) => state === "in-sync")
          ),
          15_000
        )
      for (const [at, node] of nodes.entries()) {
        const owner = `from-${at}.${C.zone}`
        assert.strictEqual((yield* publish(node, owner, "v=1", 300, C.operatorToken)).status, 201)
        for (const other of nodes) yield* C.until(has(other, owner, "v=1"), 5000)
        const last = nodes[(at + 1) % nodes.length] ?? node
        assert.strictEqual((yield* C.withdraw(last, owner, "v=1")).status, 204)
        for (const other of nodes) yield* C.until(lacks(other, owner, "v=1"), 5000)
      }
      const [first] = nodes
      assert.isDefined(first)
      // The gauges of peers are set every few seconds.
      const wanted = [
        /^dmp_sync_lag_seconds\{peer="[^"]+"\} [0-9.]+$/m,
        /^dmp_sync_rounds_total\{[^}]*outcome="ok"[^}]*\} [1-9]/m,
        /^dmp_sync_quarantine_rows\{peer="[^"]+"\} 0$/m
      ]
      yield* C.until(
        Effect.map(request(first, "/metrics", C.bearer(C.operatorToken)), ({ body }) =>
          wanted.every((line) => line.test(body))
        ),
        9000
      )
    })
  )

  it.scopedLive(
    "lets a node that was killed, and stopped while catching up, end identical to the others",
    () =>
      Effect.gen(function* () {
        const all = yield* C.members(["a", "b", "c"])
        const [ma, mb, mc] = C.three(all)
        const [a, stopping, away] = C.three(
          yield* Effect.forEach(all, C.run, { concurrency: "unbounded" })
        )
        for (const owner of ["gone", "kept", "again"])
          yield* publish(a, `${owner}.${C.zone}`, "v=1", 3600, C.operatorToken)
        yield* C.until(has(away, `gone.${C.zone}`, "v=1"), 5000)
        yield* C.until(has(away, `again.${C.zone}`, "v=1"), 5000)
        away.child.kill("SIGKILL")
        yield* away.ended
        yield* C.until(has(stopping, `again.${C.zone}`, "v=1"), 5000)
        stopping.child.kill("SIGTERM")
        yield* stopping.ended
        yield* C.fill(mb, bulk, (at) => ({
          owner: `n${at % 3000}.bulk.${C.zone}`,
          value: `v=${at}`
        }))
        const b = yield* C.run(mb)

        // The others half on each, several values a name, while the third is away.
        yield* Effect.all(
          [a, b].map((node, side) =>
            C.publishMany(node, published / 2, (at) => ({
              name: `n${at % 1000}.side${side}.${C.zone}`,
              value: `v=${at}`
            }))
          ),
          { concurrency: "unbounded" }
        )
        assert.strictEqual((yield* C.withdraw(a, `gone.${C.zone}`, "v=1")).status, 204)
        assert.strictEqual((yield* C.withdraw(b, `again.${C.zone}`, "v=1")).status, 204)
        yield* publish(b, `again.${C.zone}`, "v=1", 3600, C.operatorToken)

        // Back, told to stop in the midst of it, and back again.
        const stopped = yield* C.run(mc)
        yield* C.until(
          Effect.map(C.status(mc), ({ peers }) => peers.some(({ rows_taken }) => rows_taken > 500)),
          20_000
        )
        const began = yield* Clock.currentTimeMillis
        stopped.child.kill("SIGTERM")
        assert.deepStrictEqual(yield* stopped.ended, { code: 0, signal: null })
        assert.isBelow((yield* Clock.currentTimeMillis) - began, 10_000)
        const back = yield* C.run(mc)
        yield* C.until(
          Effect.map(
            Effect.forEach([ma, mb, mc], C.holdings),
            (held) => new Set(held.map(({ digest }) => digest)).size === 1
          ).pipe(Effect.delay("300 millis")),
          120_000
        )
        const held = yield* C.holdings(mc)
        assert.deepStrictEqual(held, { count: count + 2, distinct: count + 2, digest: held.digest })
        for (const node of [a, b, back]) {
          assert.isFalse(yield* has(node, `gone.${C.zone}`, "v=1"))
          assert.isTrue(yield* has(node, `kept.${C.zone}`, "v=1"))
          assert.isTrue(yield* has(node, `again.${C.zone}`, "v=1"))
        }
      }),
    240_000
  )

  it.scopedLive("heals after a partition, and keeps what was deleted on one side deleted", () =>
    Effect.gen(function* () {
      const ports = new Map<string, number>()
      // Both ways between c and the others.
      const links = yield* Effect.forEach(["a", "b", "c"], (id) =>
        C.relay(() => ports.get(id) ?? 0)
      )
      const [toA, toB, toC] = C.three(links)
      const via = (port: number) => `http://127.0.0.1:${port}`
      const all = yield* C.members(["a", "b", "c"], {
        peersOf: (id, direct) =>
          id === "a"
            ? [via(direct.get("b") ?? 0), via(toC.port)]
            : id === "b"
              ? [via(direct.get("a") ?? 0), via(toC.port)]
              : [via(toA.port), via(toB.port)]
      })
      for (const { id, sync } of all) ports.set(id, sync)
      const nodes = yield* Effect.forEach(all, C.run, { concurrency: "unbounded" })
      const [a, b, c] = C.three(nodes)
      const put = (node: typeof a, owner: string) =>
        publish(node, `${owner}.${C.zone}`, "v=1", 3600, C.operatorToken)
      yield* put(a, "old")
      yield* C.until(has(c, `old.${C.zone}`, "v=1"), 5000)
      links.forEach(({ cut }) => cut(true))
      yield* put(a, "majority")
      yield* put(c, "minority")
      yield* C.until(has(b, `majority.${C.zone}`, "v=1"), 5000)
      yield* C.withdraw(c, `old.${C.zone}`, "v=1")
      yield* Effect.sleep("1500 millis")
      assert.isFalse(yield* has(c, `majority.${C.zone}`, "v=1"))
      assert.isTrue(yield* has(a, `old.${C.zone}`, "v=1"))
      links.forEach(({ cut }) => cut(false))
      for (const node of nodes) {
        yield* C.until(has(node, `majority.${C.zone}`, "v=1"), 15_000)
        yield* C.until(has(node, `minority.${C.zone}`, "v=1"), 15_000)
        yield* C.until(lacks(node, `old.${C.zone}`, "v=1"), 15_000)
      }
      const held = yield* Effect.forEach(all, C.holdings)
      assert.deepStrictEqual(
        held.map(({ count }) => count),
        [2, 2, 2]
      )
    })
  )

  it.scopedLive(
    "forgets no deletion it has confirmed, although it is killed the moment after",
    () =>
      Effect.gen(function* () {
        const ports = new Map<string, number>()
        const links = yield* Effect.forEach(["a", "b"], (id) => C.relay(() => ports.get(id) ?? 0))
        const [toA, toB] = links
        assert.isDefined(toA)
        assert.isDefined(toB)
        const all = yield* C.members(["a", "b"], {
          peersOf: (id) => [`http://127.0.0.1:${id === "a" ? toB.port : toA.port}`]
        })
        for (const { id, sync } of all) ports.set(id, sync)
        const [a, b] = yield* Effect.forEach(all, C.run, { concurrency: "unbounded" })
        const [ma, mb] = all
        if (a === undefined || b === undefined || ma === undefined || mb === undefined) return
        const owners = Array.from({ length: 40 }, (_, at) => `d${at}.${C.zone}`)
        yield* C.publishMany(a, owners.length, (at) => ({ name: owners[at] ?? "", value: "v=1" }))
        yield* C.until(
          Effect.map(C.holdings(mb), ({ count }) => count === owners.length),
          8000
        )
        links.forEach(({ cut }) => cut(true))
        const confirmed = new Set<string>()
        yield* Effect.forEach(
          owners,
          (owner) =>
            Effect.ignore(
              Effect.map(C.withdraw(a, owner, "v=1"), ({ status }) => {
                if (status === 204) confirmed.add(owner)
                if (confirmed.size === 20) a.child.kill("SIGKILL")
              })
            ),
          { concurrency: 4, discard: true }
        )
        yield* a.ended
        assert.isAtLeast(confirmed.size, 20)
        links.forEach(({ cut }) => cut(false))
        yield* C.run(ma)
        yield* C.until(
          Effect.map(Effect.forEach(all, C.holdings), ([one, two]) => one?.digest === two?.digest),
          10_000
        )
        for (const owner of confirmed) assert.isFalse(yield* has(b, owner, "v=1"), owner)
      })
  )
})

/** What `cluster keygen` made: the file and the public key it printed. */
const keygen = (dir: string, file: string) =>
  Effect.gen(function* () {
    const key = join(dir, file)
    const { code, output } = yield* runNode({}, "cluster", "keygen", "--out", key)
    assert.strictEqual(code, 0, output)
    return { key, spk: /^DMP_SYNC_OPERATOR_SPK=([0-9a-f]{64})$/m.exec(output)?.[1] ?? "" }
  })

describe("a node that joins with nothing", () => {
  it.scopedLive(
    "ends identical to one with 100,000 rows of many values a name, 100 characters long",
    () =>
      Effect.gen(function* () {
        const all = yield* C.members(["a", "b"])
        const [ma, mb] = all
        assert.isDefined(ma)
        assert.isDefined(mb)
        const [names, values] = [12_500, 8]
        yield* C.fill(ma, names * values, (at) => ({
          // The values of a name lie far apart in the order in which they are read.
          owner: `${`n${at % names}-`.padEnd(45, "x")}.${"y".repeat(44)}.${C.zone}`,
          value: `v=${at}`
        }))
        const a = yield* C.run(ma)
        const b = yield* C.run(mb)
        yield* C.until(
          Effect.map(C.status(mb), ({ peers }) =>
            peers.some(({ rows_taken }) => rows_taken >= names * values)
          ).pipe(Effect.delay("250 millis")),
          150_000
        )
        const [one, two] = yield* Effect.forEach([ma, mb], C.holdings)
        assert.strictEqual(one?.distinct, names * values)
        assert.deepStrictEqual(two, one)
        const owner = `${"n77-".padEnd(45, "x")}.${"y".repeat(44)}.${C.zone}`
        assert.lengthOf(owner, 100)
        const held = yield* C.valuesAt(b, owner)
        assert.lengthOf(held, values)
        assert.sameMembers([...held], [...(yield* C.valuesAt(a, owner))])
      }),
    240_000
  )
})

describe("the manifest of a cluster", () => {
  it.scopedLive(
    "installed over HTTP on one node changes the peers of all, and survives a restart",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const { key, spk } = yield* keygen(dir, "operator.key")
        const other = yield* keygen(dir, "other.key")
        const all = yield* C.members(["a", "b", "c"], {
          env: () => ({ DMP_SYNC_OPERATOR_SPK: spk, DMP_CLUSTER_BASE_DOMAIN: C.zone }),
          // A chain at first: nobody knows everybody.
          peersOf: (id, ports) =>
            ({ a: ["b"], b: ["a", "c"], c: ["b"] })[id]?.map((peer) =>
              C.urlOf({ sync: ports.get(peer) ?? 0 })
            ) ?? []
        })
        const [ma, mb, mc] = C.three(all)
        const [a, b] = C.three(yield* Effect.forEach(all, C.run, { concurrency: "unbounded" }))
        const sign = (seq: number, signer: string, ...extra: ReadonlyArray<string>) =>
          runNode(
            {},
            ...["cluster", "sign", "--key", signer, "--name", C.zone, "--seq", String(seq)],
            ...all.flatMap((member) => ["--node", `${member.id}=${C.urlOf(member)}`]),
            ...extra
          ).pipe(Effect.map(({ output }) => output.trim()))
        const install = (node: typeof a, wire: string) =>
          publish(node, `cluster.${C.zone}`, wire, 3600, C.operatorToken)
        const everywhere = (...lines: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const seen = Effect.forEach([ma, mb, mc], (member) =>
              Effect.orElseSucceed(C.membership(member), () => "no answer")
            )
            yield* Effect.ignore(
              seen.pipe(
                Effect.delay("50 millis"),
                Effect.repeat({ until: (now) => now.join() === lines.join() }),
                Effect.timeout("10 seconds")
              )
            )
            assert.deepStrictEqual(yield* seen, lines)
          })

        assert.strictEqual((yield* install(a, yield* sign(7, key))).status, 201)
        yield* everywhere("7: b c", "7: a c", "7: a b")

        // None of these changes anything, whatever the node answers.
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const seed = Buffer.from(readFileSync(key, "utf8").trim(), "hex")
        const signer = Ed25519.publicKey(seed)
        const empty = Either.getOrThrow(
          Record.sealSigned(
            "cluster",
            Octets.concat(
              Octets.text("DMPCL01"),
              Octets.u64(99n),
              Octets.time(now + 86_400),
              signer,
              Octets.text8(C.zone),
              Octets.u8(0)
            ),
            signer,
            seed,
            Record.maxText
          )
        )
        yield* install(a, yield* sign(6, key, "--node", "evil=http://127.0.0.1:1"))
        yield* install(a, yield* sign(8, other.key, "--node", "evil=http://127.0.0.1:1"))
        yield* install(a, empty)
        yield* Effect.sleep("1500 millis")
        yield* everywhere("7: b c", "7: a c", "7: a b")

        // Back after a restart it still knows all of them, although its settings name one.
        b.child.kill("SIGTERM")
        assert.deepStrictEqual(yield* b.ended, { code: 0, signal: null })
        const again = yield* C.run(mb)
        yield* everywhere("7: b c", "7: a c", "7: a b")

        // A new file, and the signal that has it read at once.
        const file = mc.env["DMP_CLUSTER_FILE"] ?? ""
        writeFileSync(file, JSON.stringify({ wire: yield* sign(9, key) }))
        again.child.kill("SIGHUP")
        yield* everywhere("9: b c", "9: a c", "9: a b")
        writeFileSync(
          mb.env["DMP_CLUSTER_FILE"] ?? "",
          JSON.stringify({ wire: yield* sign(10, key, "--node", "d=http://127.0.0.1:1") })
        )
        again.child.kill("SIGHUP")
        yield* C.until(
          Effect.map(C.membership(mb), (line) => line === "10: a c d"),
          2500
        )
        yield* everywhere("10: b c d", "10: a c d", "10: a b d")
        assert.strictEqual(again.child.exitCode, null)
      }),
    60_000
  )

  it.scopedLive("under a pinned key that cannot be one stops the start", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      for (const bad of ["abc", "0".repeat(64), `${"ab".repeat(31)}zz`]) {
        const node = yield* launch(["serve"], {
          DMP_DB_PATH: join(dir, "dmp.db"),
          DMP_DOMAIN: C.zone,
          DMP_SYNC_OPERATOR_SPK: bad
        })
        assert.strictEqual((yield* node.ended).code, 78, bad)
        assert.include(node.output(), "DMP_SYNC_OPERATOR_SPK")
      }
    })
  )
})

describe("the sync routes of a process", () => {
  it.scopedLive("take the sync token and no other, at their own address and nowhere else", () =>
    Effect.gen(function* () {
      const [member] = yield* C.members(["a"])
      assert.isDefined(member)
      const node = yield* C.run(member)
      yield* publish(node, `x.${C.zone}`, "v=1", 300, C.operatorToken)
      const pull = { method: "POST", body: JSON.stringify({ names: [`x.${C.zone}`] }) }
      const data: ReadonlyArray<readonly [string, RequestInit]> = [
        ["digest", {}],
        ["pull", pull],
        ["deletions", {}],
        ["fingerprint", {}],
        ["cluster-manifest", {}],
        ["hint", { method: "POST", body: "{}" }]
      ]
      for (const [name, init] of data) {
        const path = `/v1/sync/${name}`
        for (const token of [C.operatorToken, "wrong", ""])
          assert.strictEqual((yield* C.ask(member, path, token, init)).status, 403, path)
        const { status } = yield* C.ask(member, path, C.syncToken, init)
        assert.include([200, 204], status, path)
        const atPublic = yield* request(node, path, { ...init, ...C.bearer(C.syncToken) })
        assert.strictEqual(atPublic.status, 404, path)
      }
      assert.strictEqual((yield* C.ask(member, "/v1/sync/status", C.operatorToken)).status, 200)
      assert.strictEqual((yield* C.ask(member, "/v1/sync/status", "wrong")).status, 403)

      const owner = `y.${C.zone}`
      assert.strictEqual((yield* publish(node, owner, "v=1", 300, C.syncToken)).status, 401)
      for (const init of [{ method: "DELETE", body: JSON.stringify({ value: "v=1" }) }, {}]) {
        const path = `/v1/records/x.${C.zone}`
        const answer = yield* request(node, path, { ...init, ...C.bearer(C.syncToken) })
        assert.strictEqual(answer.status, 401)
        // The sync listener serves no records, whoever asks.
        assert.strictEqual((yield* C.ask(member, path, C.operatorToken, init)).status, 404)
      }
      assert.deepStrictEqual(yield* C.valuesAt(node, `x.${C.zone}`), ["v=1"])
    })
  )
})
