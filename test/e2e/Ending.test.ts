/** How a node of a cluster begins and ends, from outside: nothing half done either way. */
import { readdirSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as C from "./ClusterProcess.ts"
import { directory, launch, NodeProblem, publish } from "./NodeProcess.ts"

/** A pull whose body is yet to come, and which the node is known to be working on. */
const halfAsked = (port: number, body: string) =>
  Effect.acquireRelease(
    Effect.async<{ readonly socket: Socket; readonly heard: () => string }, NodeProblem>(
      (resume) => {
        const socket = connect(port, "127.0.0.1")
        let heard = ""
        socket.on("data", (chunk) => {
          heard += chunk.toString()
          if (heard.startsWith("HTTP/1.1 100 "))
            resume(Effect.succeed({ socket, heard: () => heard }))
        })
        socket.on("error", (error) => resume(new NodeProblem({ message: error.message })))
        socket.write(
          "POST /v1/sync/pull HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" +
            `Authorization: Bearer ${C.syncToken}\r\nContent-Length: ${body.length}\r\n\r\n`
        )
      }
    ),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const closed = (socket: Socket) =>
  Effect.async<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

describe("the end of a node", () => {
  it.scopedLive("comes after the answer to a pull that was under way at SIGTERM", () =>
    Effect.gen(function* () {
      const [member] = yield* C.members(["a"], { peersOf: () => [] })
      assert.isDefined(member)
      const node = yield* C.run(member)
      const owner = `x.${C.zone}`
      yield* publish(node, owner, "v=whole", 300, C.operatorToken)
      const body = JSON.stringify({ names: [owner] })
      const { heard, socket } = yield* halfAsked(member.sync, body)
      node.child.kill("SIGTERM")
      yield* C.until(
        Effect.sync(() => node.output().includes("shutting down")),
        5000
      )
      socket.write(body)
      yield* closed(socket)
      assert.match(heard(), /HTTP\/1\.1 200 OK[^]*"value":"v=whole"[^]*\]\}$/)
      assert.match(heard(), /connection: close/i)
      assert.deepStrictEqual(yield* node.ended, { code: 0, signal: null })
      // The stores closed after it: their write-ahead logs are in the databases.
      assert.deepStrictEqual(
        readdirSync(member.dir).filter((file) => file.endsWith("-wal")),
        []
      )
    })
  )

  it.scopedLive("comes at once with a second signal, whoever is still waited for", () =>
    Effect.gen(function* () {
      const [member] = yield* C.members(["a"], {
        peersOf: () => [],
        env: () => ({ DMP_SHUTDOWN_TIMEOUT: "600" })
      })
      assert.isDefined(member)
      const node = yield* C.run(member)
      const { socket } = yield* halfAsked(member.sync, "{}")
      node.child.kill("SIGTERM")
      yield* C.until(
        Effect.sync(() => node.output().includes("shutting down")),
        5000
      )
      // Within a second it would be taken for the echo of the first.
      yield* Effect.sleep("1100 millis")
      assert.isNull(node.child.exitCode)
      node.child.kill("SIGTERM")
      assert.deepStrictEqual(yield* node.ended, { code: null, signal: "SIGTERM" })
      yield* closed(socket)
    })
  )
})

describe("the start of a node", () => {
  it.scopedLive("ends with 69 before there is any file when the sync port is taken", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const taken = yield* Effect.acquireRelease(
        Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => {
            const address = server.address()
            if (address !== null && typeof address === "object")
              resume(Effect.succeed({ port: address.port, close: () => server.close() }))
          })
        }),
        ({ close }) => Effect.sync(close)
      )
      writeFileSync(join(dir, "keep"), "")
      const node = yield* launch([], {
        DMP_DB_PATH: join(dir, "data", "never.db"),
        DMP_DOMAIN: C.zone,
        DMP_DNS_HOST: "127.0.0.1",
        DMP_DNS_PORT: "0",
        DMP_HTTP_HOST: "127.0.0.1",
        DMP_HTTP_PORT: "0",
        DMP_SYNC_PEER_TOKEN: C.syncToken,
        DMP_SYNC_HOST: "127.0.0.1",
        DMP_SYNC_PORT: String(taken.port)
      })
      assert.strictEqual((yield* node.ended).code, 69)
      assert.match(node.output(), new RegExp(`cannot listen for sync on 127.0.0.1:${taken.port}`))
      assert.deepStrictEqual(readdirSync(dir), ["keep"])
      assert.notMatch(node.output(), /^\s+at /m)
    })
  )
})
