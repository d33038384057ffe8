import { assert, describe, it } from "@effect/vitest"
import { decode, encode } from "dns-packet"
import { Effect } from "effect"
import * as WholeNode from "../fixtures/WholeNode.ts"

const mediaType = "application/dns-message"
const query = (name: string, type: "TXT" | "A" | "AXFR" = "TXT") =>
  encode({ type: "query", id: 0, questions: [{ name, type }] })
const soon = () => Math.floor(Date.now() / 1000) + 20

const started = (env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const node = yield* WholeNode.start(env)
    yield* node.hold([
      { owner: "one.mesh.test", value: "v=dmp1;t=x" },
      { owner: "soon.mesh.test", value: "v=dmp1;t=y", expiresAt: soon() },
      ...Array.from({ length: 40 }, (_, i) => ({
        owner: "many.mesh.test",
        value: `${i}`.padEnd(1000, "m")
      }))
    ])
    const ask = (path: string, init: RequestInit = {}) =>
      Effect.promise(async () => {
        const response = await fetch(`http://127.0.0.1:${node.http}${path}`, init)
        const octets = Buffer.from(await response.arrayBuffer())
        const header = (name: string) => response.headers.get(name)
        return { status: response.status, header, octets, packet: () => decode(octets) }
      })
    const get = (message: Buffer) => ask(`/dns-query?dns=${message.toString("base64url")}`)
    const post = (body: Buffer, type: string = mediaType, headers = {}) =>
      ask("/dns-query", {
        method: "POST",
        body: new Uint8Array(body),
        headers: { "content-type": type, ...headers }
      })
    return { node, ask, get, post }
  })

describe("DNS over HTTPS", () => {
  it.scopedLive("answers GET and POST alike, as fresh as the record", () =>
    Effect.gen(function* () {
      const { get, post } = yield* started()
      for (const send of [get, post]) {
        const one = yield* send(query("one.mesh.test"))
        assert.strictEqual(one.status, 200)
        assert.strictEqual(one.header("content-type"), mediaType)
        assert.strictEqual(one.header("cache-control"), "max-age=60")
        assert.strictEqual(one.packet().answers?.length, 1)
        const dying = yield* send(query("soon.mesh.test"))
        assert.match(dying.header("cache-control") ?? "", /^max-age=(1[0-9]|20)$/)
        const none = yield* send(query("none.mesh.test"))
        assert.strictEqual(none.header("cache-control"), "max-age=30")
        assert.strictEqual(none.octets.readUInt8(3) & 15, 3)
        const other = yield* send(query("example.org"))
        assert.strictEqual(other.octets.readUInt8(3) & 15, 5)
        assert.strictEqual(other.header("cache-control"), "no-store")
        const many = yield* send(query("many.mesh.test"))
        assert.strictEqual(many.packet().answers?.length, 40)
      }
    })
  )

  it.scopedLive("refuses what is no query in the terms of HTTP", () =>
    Effect.gen(function* () {
      const { ask, get, post } = yield* started()
      const one = query("one.mesh.test").toString("base64url")
      for (const path of [
        "",
        "?dns=",
        "?dns=a",
        "?dns=a+b",
        `?dns=${one}==`,
        `?dns=${one}&dns=${one}`
      ])
        assert.strictEqual((yield* ask(`/dns-query${path}`)).status, 400, path)
      assert.strictEqual((yield* post(query("one.mesh.test"), "text/plain")).status, 415)
      assert.strictEqual((yield* post(Buffer.alloc(65_536))).status, 413)
      const put = yield* ask("/dns-query", { method: "DELETE" })
      assert.deepStrictEqual([put.status, put.header("allow")], [405, "GET, HEAD, POST"])
      assert.strictEqual((yield* post(Buffer.alloc(5))).status, 400)
      const response = query("one.mesh.test")
      response.writeUInt8(0x80, 2)
      assert.strictEqual((yield* post(response)).status, 400)
      const update = query("one.mesh.test")
      update.writeUInt8(5 << 3, 2)
      assert.strictEqual((yield* get(update)).status, 400)
      assert.strictEqual((yield* post(update)).status, 200)
      const axfr = yield* post(query("mesh.test", "AXFR"))
      assert.notStrictEqual(axfr.octets.readUInt8(3) & 15, 0)
    })
  )

  it.scopedLive("limits each client a trusted proxy names, and only itself", () =>
    Effect.gen(function* () {
      const { post } = yield* started({ DMP_DNS_RATE: "0.001", DMP_DNS_BURST: "2" })
      const from = (address: string) =>
        Effect.map(
          post(query("one.mesh.test"), mediaType, { "x-forwarded-for": address }),
          ({ header, status }) => `${status} ${header("ratelimit")?.replace(/t=.*/, "")}`
        )
      assert.deepStrictEqual(
        yield* Effect.all(["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"].map(from)),
        ['200 "dns";r=1;', '200 "dns";r=0;', '429 "dns";r=0;', '200 "dns";r=1;']
      )
    })
  )
})
