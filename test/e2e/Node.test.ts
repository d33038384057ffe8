import { readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, installed, run } from "../fixtures/Tools.ts"
import { directory, launch, publish, request, start } from "./NodeProcess.ts"

const dig = (port: number, ...args: ReadonlyArray<string>) =>
  Effect.map(
    run("dig", ["-p", String(port), "+tries=1", "+time=2", "+norec", ...args]),
    ({ stdout }) => stdout
  )

describe.skipIf(!installed("dig"))("the node, from outside", () => {
  it.scopedLive("serves what was published, over every transport, until its time has come", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const node = yield* start({ DMP_DB_PATH: join(dir, "dmp.db") })
      const ask = (...args: ReadonlyArray<string>) => dig(node.dns, "@127.0.0.1", "+short", ...args)
      assert.strictEqual((yield* publish(node, "Hello.Mesh.Test", "v=one", 3)).status, 201)
      for (let i = 0; i < 20; i++)
        assert.strictEqual(
          (yield* publish(node, "big.mesh.test", `${i}-`.padEnd(240, "x"))).status,
          201
        )

      assert.strictEqual(yield* ask("hello.mesh.test", "TXT"), '"v=one"\n')
      assert.strictEqual(yield* ask("hELLO.meSH.test", "TXT"), '"v=one"\n')
      assert.strictEqual(yield* ask("hello.mesh.test", "TXT", "+tcp", "+noedns"), '"v=one"\n')
      assert.strictEqual(
        yield* dig(node.dns, "@::1", "+short", "hello.mesh.test", "TXT"),
        '"v=one"\n'
      )
      for (const edns of ["+noedns", "+bufsize=512", "+bufsize=1232", "+bufsize=4096"]) {
        const values = yield* ask("big.mesh.test", "TXT", edns)
        assert.strictEqual(values.trim().split("\n").length, 20, edns)
        const cut = yield* dig(node.dns, "@127.0.0.1", "big.mesh.test", "TXT", "+ignore", edns)
        assert.match(cut, /flags: qr aa tc;/, edns)
        const tcp = yield* ask("big.mesh.test", "TXT", "+tcp", edns)
        assert.strictEqual(tcp.trim().split("\n").length, 20, `tcp ${edns}`)
      }

      yield* Effect.sleep("3200 millis")
      const gone = yield* dig(node.dns, "@127.0.0.1", "hello.mesh.test", "TXT")
      assert.match(gone, /status: NXDOMAIN/)
      assert.match(gone, /mesh\.test\.\s+\d+\s+IN\s+SOA/)
      // Values leave the count in the second after their last.
      yield* eventually(
        Effect.map(
          Effect.orDie(request(node, "/stats")),
          ({ body }) => JSON.stringify(JSON.parse(body)) === '{"records":20}'
        )
      )
    })
  )

  it.scopedLive(
    "keeps every acknowledged record through kill -9 in a storm of publishes",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const env = { DMP_DB_PATH: join(dir, "dmp.db"), DMP_HTTP_RATE: "0", DMP_DNS_RATE: "0" }
        const acknowledged: Array<string> = []
        for (let round = 0; round < 3; round++) {
          const node = yield* start(env)
          const storm = Effect.forEach(
            Array.from({ length: 32 }, (_, i) => i),
            (writer) =>
              Effect.gen(function* () {
                for (let n = 0; ; n++) {
                  const name = `r${round}-w${writer}-n${n}.mesh.test`
                  const { status } = yield* publish(node, name, "v=kept", 3600)
                  if (status === 201) acknowledged.push(name)
                }
              }).pipe(Effect.ignore),
            { concurrency: "unbounded", discard: true }
          )
          yield* Effect.all(
            [
              storm,
              Effect.delay(
                Effect.sync(() => node.child.kill("SIGKILL")),
                `${300 + round * 170} millis`
              )
            ],
            { concurrency: 2 }
          )
          yield* node.ended
        }
        assert.isAbove(acknowledged.length, 100)
        const node = yield* start(env)
        const missing = yield* Effect.filter(
          acknowledged,
          (name) =>
            Effect.map(request(node, `/v1/records/${name}`), ({ status }) => status !== 200),
          { concurrency: 16 }
        )
        assert.deepStrictEqual(missing, [])
      }),
    120_000
  )

  it.scopedLive.skipIf(!installed("strace"))(
    "answers the publishes in flight at SIGTERM, then ends with 0",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const db = join(dir, "dmp.db")
        // Slow syncs keep the publishes in flight while the signal comes.
        const node = yield* start({ DMP_DB_PATH: db, DMP_LOG_FORMAT: "json" }, [
          ...["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"],
          ...["-e", "inject=fsync,fdatasync:delay_exit=200000"]
        ])
        const { stdout } = yield* run("pgrep", ["-P", String(node.child.pid)])
        const pid = Number(stdout.trim())
        assert.isAbove(pid, 1)
        const [answers] = yield* Effect.all(
          [
            Effect.all(
              Array.from({ length: 20 }, (_, i) => publish(node, `last${i}.mesh.test`, "v=1")),
              { concurrency: "unbounded" }
            ),
            Effect.delay(
              Effect.sync(() => process.kill(pid, "SIGTERM")),
              "120 millis"
            )
          ],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [201])
        assert.strictEqual((yield* node.ended).code, 0)
        for (const line of node.output().trim().split("\n")) {
          const event: unknown = JSON.parse(line)
          assert.containsAllKeys(event, ["ts", "level", "logger", "msg"])
        }
        assert.match(node.output(), /received signal 15/)
        assert.match(node.output(), /DMP node shutting down/)
        // The WAL went into the database: one file is the whole store.
        assert.throws(() => statSync(`${db}-wal`))
        const again = yield* start({ DMP_DB_PATH: db })
        for (let i = 0; i < 20; i++)
          assert.strictEqual((yield* request(again, `/v1/records/last${i}.mesh.test`)).status, 200)
      }),
    60_000
  )

  it.scopedLive(
    "names every mistake of the configuration in a line of its own, with exit code 78",
    () =>
      Effect.gen(function* () {
        const secret = "s3cret-that-must-not-appear\u0007"
        for (const command of ["serve", "check-config"]) {
          const node = yield* launch([command], {
            DMP_DNS_PORT: "many",
            DMP_MAX_TTL: "-1",
            DMP_AUTH_MODE: "Multi",
            DMP_OPERATOR_TOKEN: secret
          })
          assert.strictEqual((yield* node.ended).code, 78)
          const lines = node.output().trim().split("\n")
          for (const name of ["DMP_DNS_PORT", "DMP_MAX_TTL", "DMP_AUTH_MODE", "DMP_OPERATOR_TOKEN"])
            assert.strictEqual(lines.filter((line) => line.includes(`${name}: `)).length, 1, name)
          assert.strictEqual(lines.length, 4, node.output())
          assert.notInclude(node.output(), "s3cret")
          assert.notMatch(node.output(), /^\s+at /m)
        }
      })
  )

  it.scopedLive(
    "says why it cannot start: a port in use is 69, a file that is no database 74",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const taken = yield* Effect.acquireRelease(
          Effect.async<number>((resume) => {
            const server = createServer().listen(0, "127.0.0.1", () => {
              const address = server.address()
              if (address !== null && typeof address === "object")
                resume(Effect.succeed(address.port))
            })
          }),
          () => Effect.void
        )
        const busy = yield* launch([], {
          DMP_DB_PATH: join(dir, "never.db"),
          DMP_DNS_HOST: "127.0.0.1",
          DMP_DNS_PORT: "0",
          DMP_HTTP_HOST: "127.0.0.1",
          DMP_HTTP_PORT: String(taken)
        })
        assert.strictEqual((yield* busy.ended).code, 69)
        assert.match(busy.output(), new RegExp(`cannot listen for HTTP on 127.0.0.1:${taken}`))
        assert.throws(() => statSync(join(dir, "never.db")), /ENOENT/)

        const text = join(dir, "text.db")
        writeFileSync(text, "this is no database, and somebody may want to keep it\n".repeat(100))
        const before = readFileSync(text, "utf8")
        const wrong = yield* launch([], {
          DMP_DB_PATH: text,
          DMP_DNS_HOST: "127.0.0.1",
          DMP_DNS_PORT: "0",
          DMP_HTTP_HOST: "127.0.0.1",
          DMP_HTTP_PORT: "0"
        })
        assert.strictEqual((yield* wrong.ended).code, 74)
        assert.include(wrong.output(), text)
        assert.strictEqual(readFileSync(text, "utf8"), before)
        assert.notMatch(`${busy.output()}${wrong.output()}`, /^\s+at /m)
      })
  )

  it.scopedLive("refuses a second node on the same database", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const env = { DMP_DB_PATH: join(dir, "dmp.db") }
      yield* start(env)
      const second = yield* launch([], {
        ...env,
        DMP_DNS_HOST: "127.0.0.1",
        DMP_DNS_PORT: "0",
        DMP_HTTP_HOST: "127.0.0.1",
        DMP_HTTP_PORT: "0"
      })
      assert.strictEqual((yield* second.ended).code, 74)
    })
  )

  it.scopedLive("makes the operator token that its file names, and is closed with it", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const file = join(dir, "operator-token")
      const node = yield* start({
        DMP_DB_PATH: join(dir, "dmp.db"),
        DMP_OPERATOR_TOKEN_FILE: file,
        DMP_HTTP_HOST: "127.0.0.1"
      })
      const token = readFileSync(file, "utf8").trim()
      assert.isAtLeast(token.length, 43)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.include(node.output(), file)
      assert.notInclude(node.output(), token)
      assert.notInclude(node.output(), "metrics endpoint unauthenticated")
      assert.strictEqual((yield* publish(node, "a.mesh.test", "v")).status, 401)
      assert.strictEqual((yield* publish(node, "a.mesh.test", "v", 60, token)).status, 201)
      assert.strictEqual((yield* request(node, "/metrics")).status, 401)
    })
  )

  it.scopedLive("files of the database are for its owner only", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const db = join(dir, "deep", "dmp.db")
      const node = yield* start({ DMP_DB_PATH: db })
      yield* publish(node, "a.mesh.test", "v")
      assert.strictEqual(statSync(join(dir, "deep")).mode & 0o777, 0o700)
      for (const file of [db, `${db}-wal`, `${db}-shm`])
        assert.strictEqual(statSync(file).mode & 0o777, 0o600, file)
    })
  )

  it.scopedLive.skipIf(!installed("strace"))(
    "with a disk that fails: publishes get 503, answers go on, and it recovers by itself",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const node = yield* start({ DMP_DB_PATH: join(dir, "dmp.db"), DMP_HTTP_RATE: "0" }, [
          "strace",
          "-f",
          "--seccomp-bpf",
          "-o",
          "/dev/null",
          "-e",
          "trace=fsync,fdatasync",
          "-e",
          "inject=fsync,fdatasync:error=EIO:when=40..70"
        ])
        const statuses: Array<number> = []
        let refused = ""
        for (let i = 0; i < 150; i++) {
          const answer = yield* publish(node, `n${i}.mesh.test`, "v=1")
          statuses.push(answer.status)
          if (answer.status === 503) {
            refused = answer.headers.get("retry-after") ?? ""
            assert.strictEqual(
              yield* dig(node.dns, "@127.0.0.1", "+short", "n0.mesh.test", "TXT"),
              '"v=1"\n'
            )
          }
        }
        assert.include(statuses, 503)
        assert.isAbove(Number(refused), 0)
        assert.isTrue(
          statuses.every((status) => status === 201 || status === 503),
          String(statuses)
        )
        yield* eventually(
          Effect.map(
            Effect.orDie(publish(node, "back.mesh.test", "v=1")),
            ({ status }) => status === 201
          )
        )
        for (const [i, status] of statuses.entries()) {
          const kept = yield* request(node, `/v1/records/n${i}.mesh.test`)
          assert.strictEqual(kept.status, status === 201 ? 200 : 404, `n${i}`)
        }
      }),
    90_000
  )
})
