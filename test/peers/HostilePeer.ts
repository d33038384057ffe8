/** Peers that lie, stall, flood and point elsewhere: each answers every request in its own bad way. */
import { Effect } from "effect"
import { createServer, type RequestListener, type Server } from "node:http"
import { gzipSync } from "node:zlib"
import type { AddressInfo } from "node:net"
import { valueHash } from "../../src/zone/ValueHash.ts"

/** Listens on the loopback until the scope ends. */
export const serve = (onRequest: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: Server; readonly port: number }>((resume) => {
      const server = createServer(onRequest)
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ server, port }))
      })
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

export const reply =
  (body: unknown): RequestListener =>
  (_, response) => {
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(body))
  }

export const entry = (name: string, value: string, ts: number, ttl = 600) => ({
  name,
  hash: valueHash(value),
  ts,
  ttl
})

/** As a packed reply, whatever `octets` are. */
export const packed =
  (octets: Buffer, coding = "gzip"): RequestListener =>
  (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": coding })
    response.end(octets)
  }

let unpacksTo64MiB: Buffer | undefined
/** A member of 64 MiB of blanks, sixteen times over: some 1 MB, and 1 GB unpacked. */
const bomb = (): Buffer => {
  unpacksTo64MiB ??= gzipSync(Buffer.alloc(64 * 1024 * 1024, 32))
  return Buffer.concat(Array.from({ length: 16 }, () => unpacksTo64MiB ?? Buffer.alloc(0)))
}

/** Fresh ones, of which one sends whoever asks to `elsewhere`. */
export const behaviours = (elsewhere: number): ReadonlyArray<RequestListener> => {
  const pages = (records: (at: number) => unknown): RequestListener => {
    let at = 0
    return (request, response) =>
      reply({ records: [records(at++)], has_more: true, next_cursor: "" })(request, response)
  }
  const digestThen =
    (records: ReadonlyArray<unknown>, pulled: ReadonlyArray<unknown>): RequestListener =>
    (request, response) =>
      reply(
        request.url?.startsWith("/v1/sync/digest")
          ? { records, has_more: false, next_cursor: "" }
          : { records: pulled }
      )(request, response)
  return [
    // The value is not what the digest said.
    digestThen(
      [entry("wrong.example.org", "promised", 1)],
      [{ name: "wrong.example.org", value: "delivered", ttl: 60 }]
    ),
    // A name nobody asked for, and one outside the zone.
    digestThen(
      [entry("asked.example.org", "asked", 1), entry("elsewhere.test", "asked", 2)],
      [
        { name: "unasked.example.org", value: "asked", ttl: 60 },
        { name: "elsewhere.test", value: "asked", ttl: 60 }
      ]
    ),
    // The same page for ever, and pages without end.
    pages(() => entry("same.example.org", "same", 1)),
    pages((at) => entry(`endless-${at}.example.org`, "never delivered", at)),
    // One octet at a time.
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      const timer = setInterval(() => response.write(" "), 50)
      response.on("close", () => clearInterval(timer))
    },
    // Somewhere else, please.
    (_, response) => {
      response.writeHead(302, { location: `http://localhost:${elsewhere}/v1/sync/digest` })
      response.end()
    },
    // A body announced, or sent, without end.
    (_, response) => {
      response.writeHead(200, { "content-length": String(2 ** 30) })
      response.write("[")
    },
    (_, response) => {
      response.writeHead(200)
      const block = Buffer.alloc(1 << 20, 32)
      const pour = () => {
        while (!response.destroyed && response.write(block));
        if (!response.destroyed) response.once("drain", pour)
      }
      pour()
    },
    // Small on the way and a gigabyte unpacked; packed twice; not packed at all; cut short.
    packed(bomb()),
    packed(gzipSync(gzipSync(JSON.stringify({ records: [] })))),
    packed(Buffer.from(JSON.stringify({ records: [] }))),
    packed(
      gzipSync(JSON.stringify({ records: [entry("cut.example.org", "x", 1)] })).subarray(0, -9)
    ),
    packed(Buffer.from("br"), "br"),
    // No JSON, no object, odd types.
    (_, response) => void response.end("<html>"),
    reply([]),
    reply({ records: [null, 1, {}, entry("future.example.org", "x", 9e15)], has_more: true })
  ]
}
