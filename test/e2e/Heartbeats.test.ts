/** Nodes of strangers that find each other over DNS, and the doors of releases 0.2 to 0.4. */
import { createSocket } from "node:dgram"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import * as Claim from "../../src/dmp/Claim.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Heartbeat from "../../src/dmp/Heartbeat.ts"
import { eventually } from "../fixtures/Tools.ts"
import * as Dns from "./DnsClient.ts"
import { directory, type NodeProcess, request, start } from "./NodeProcess.ts"

const seedOf = (octet: number) => new Uint8Array(32).fill(octet)
const spkOf = (octet: number) => Buffer.from(Ed25519.publicKey(seedOf(octet))).toString("hex")

/** A resolver that passes each question on to the node of its zone; deaf to all others. */
const forwarder = (upstreams: ReadonlyMap<string, number>) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
      const socket = createSocket("udp4")
      socket.on("message", (question, from) => {
        const labels = question.toString("latin1").toLowerCase()
        const zone = [...upstreams.keys()].find((at) =>
          labels.includes(
            at.split(".").reduce((wire, l) => `${wire}${String.fromCharCode(l.length)}${l}`, "")
          )
        )
        const port = zone === undefined ? undefined : upstreams.get(zone)
        if (port === undefined) return
        const onward = createSocket("udp4")
        onward.on("error", () => onward.close())
        onward.once("message", (reply) => {
          socket.send(reply, from.port, from.address)
          onward.close()
        })
        onward.send(question, port, "127.0.0.1")
      })
      socket.bind(0, "127.0.0.1", () =>
        resume(Effect.succeed({ port: socket.address().port, close: () => socket.close() }))
      )
    }),
    ({ close }) => Effect.sync(close)
  )

const Seen = Schema.parseJson(
  Schema.Struct({
    version: Schema.Literal(1),
    self: Schema.Struct({
      endpoint: Schema.String,
      operator_spk_hex: Schema.String,
      enabled: Schema.Literal(true)
    }),
    seen: Schema.Array(
      Schema.Struct({
        wire: Schema.String,
        endpoint: Schema.String,
        operator_spk_hex: Schema.String
      })
    )
  })
)
const seenBy = (node: NodeProcess) =>
  request(node, "/v1/nodes/seen").pipe(
    Effect.flatMap(({ body }) => Schema.decodeUnknown(Seen)(body)),
    Effect.map(({ seen }) => seen.map(({ endpoint }) => endpoint).sort())
  )
const knows = (node: NodeProcess, ...endpoints: ReadonlyArray<string>) =>
  Effect.orElseSucceed(
    Effect.map(seenBy(node), (seen) => seen.join() === endpoints.join()),
    () => false
  )

/** The settings of the node of `letter`.test, whose operator's key is all `octet`. */
const settings = (dir: string, letter: string, octet: number, resolver: number, seeds: string) => {
  const key = join(dir, `${letter}.key`)
  writeFileSync(key, Buffer.from(seedOf(octet)).toString("hex"), { mode: 0o600 })
  return {
    DMP_DB_PATH: join(dir, `${letter}.db`),
    DMP_DOMAIN: `${letter}.test`,
    DMP_HTTP_RATE: "0",
    DMP_HEARTBEAT_ENABLED: "1",
    DMP_HEARTBEAT_SELF_ENDPOINT: `https://${letter}.example.net`,
    DMP_HEARTBEAT_OPERATOR_KEY_PATH: key,
    DMP_HEARTBEAT_SEEDS: seeds,
    DMP_HEARTBEAT_DNS_RESOLVERS: `127.0.0.1:${resolver}`,
    DMP_HEARTBEAT_INTERVAL_SECONDS: "1",
    DMP_LEGACY_HTTP: "1"
  }
}

describe("nodes with heartbeats", () => {
  it.scopedLive(
    "find each other over DNS, at first or second hand, and announce themselves once",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const upstreams = new Map<string, number>()
        const { port } = yield* forwarder(upstreams)
        const up = (letter: string, octet: number, seeds: string) =>
          Effect.tap(start(settings(dir, letter, octet, port, seeds)), ({ dns }) =>
            Effect.sync(() => upstreams.set(`${letter}.test`, dns))
          )
        const a = yield* up("a", 1, "b.test")
        const b = yield* up("b", 2, "a.test")
        // Knows of a alone, and is asked by nobody.
        const c = yield* up("c", 3, "https://a.test/")
        yield* eventually(knows(a, "https://b.example.net"), 20)
        yield* eventually(knows(b, "https://a.example.net"), 20)
        yield* eventually(knows(c, "https://a.example.net", "https://b.example.net"), 20)
        const page = yield* request(c, "/")
        assert.include(page.body, "https://a.example.net")
        assert.include(page.body, "https://b.example.net")
        assert.include((yield* request(a, "/")).body, "https://b.example.net")
        const metrics = (yield* request(a, "/metrics")).body
        assert.match(metrics, /^dmp_heartbeat_seen_nodes 1$/m)
        assert.match(metrics, /^dmp_heartbeat_published_total\{[^}]*ok[^}]*\} [1-9]/m)

        const own = (node: NodeProcess) => Dns.resolve(node.dns, "_dnsmesh-heartbeat.a.test")
        const [before, ...more] = yield* own(a)
        assert.lengthOf(more, 0)
        const read = Either.getOrThrow(Heartbeat.verify(before ?? "", Dns.seconds()))
        assert.strictEqual(read.endpoint, "https://a.example.net")
        assert.strictEqual(read.zone, "a.test")
        a.child.kill("SIGKILL")
        yield* a.ended
        yield* Effect.sleep("1100 millis")
        const again = yield* up("a", 1, "b.test")
        yield* eventually(
          Effect.map(own(again), (values) => values.length === 1 && values[0] !== before),
          10
        )
        // What it heard before it died it has not forgotten.
        assert.deepStrictEqual(yield* seenBy(again), ["https://b.example.net"])
      }),
    60_000
  )
})

const now = Dns.seconds()
const beat = (octet: number, ts = now) =>
  Either.getOrThrow(
    Heartbeat.sign(
      {
        endpoint: `https://node-${octet}.example.net`,
        operatorSpk: Ed25519.publicKey(seedOf(octet)),
        version: "0.4.4",
        capabilities: 0,
        zone: "",
        ts,
        exp: ts + 3600
      },
      seedOf(octet)
    )
  )
const claim = Either.getOrThrow(
  Claim.sign(
    {
      msgId: seedOf(2).slice(0, 16),
      senderSpk: Ed25519.publicKey(seedOf(3)),
      senderDomain: "sender.example.net",
      slot: 4,
      ts: now,
      exp: now + 3600
    },
    seedOf(3)
  )
)

describe("the routes of releases 0.2 to 0.4, from outside", () => {
  const post = (node: NodeProcess, path: string, body: unknown) =>
    Effect.map(
      request(node, path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body)
      }),
      (answer) => ({ status: answer.status, body: JSON.parse(answer.body) as unknown })
    )
  const error = (node: NodeProcess, path: string, body: unknown) =>
    Effect.map(post(node, path, body), (answer) => [
      answer.status,
      (answer.body as { readonly error?: string }).error
    ])
  const paths = ["/v1/heartbeat", "/v1/nodes/seen", "/v1/info", "/v1/claim/publish"]

  it.scopedLive("say what old nodes said", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const node = yield* start({
        ...settings(dir, "a", 1, 1, "b.test"),
        DMP_DNS_UPDATE_ENABLED: "1",
        DMP_CLAIM_PROVIDER: "1"
      })
      const info = yield* request(node, "/v1/info")
      assert.strictEqual(info.status, 200)
      assert.deepStrictEqual(JSON.parse(info.body), {
        endpoint: "https://a.example.net",
        operator_spk: spkOf(1),
        claim_provider_zone: "a.test",
        capabilities: 1
      })
      const accepted = (octet: number, seen: ReadonlyArray<string>) => ({
        status: 200,
        body: { ok: true, accepted_operator_spk_hex: spkOf(octet), seen }
      })
      const first = beat(5)
      assert.deepStrictEqual(yield* post(node, paths[0] ?? "", { wire: first }), accepted(5, []))
      assert.deepStrictEqual(
        yield* post(node, "/v1/heartbeat", { wire: beat(6) }),
        accepted(6, [first])
      )
      assert.deepStrictEqual(yield* seenBy(node), [
        "https://node-5.example.net",
        "https://node-6.example.net"
      ])
      for (const [body, text] of [
        ["[", "invalid body"],
        ["[]", "invalid body"],
        [{}, "wire (string) required"],
        [{ wire: "v=dmp1;t=heartbeat;AAAA" }, "heartbeat verification failed"],
        [{ wire: beat(7, now - 400) }, "heartbeat verification failed"]
      ] as const)
        assert.deepStrictEqual(yield* error(node, "/v1/heartbeat", body), [400, text])

      const recipient_id_hex12 = "0123456789ab"
      const owner = `claim-4.mb-${recipient_id_hex12}.a.test`
      assert.deepStrictEqual(
        yield* post(node, "/v1/claim/publish", { value: claim, recipient_id_hex12 }),
        { status: 201, body: { ok: true, name: owner } }
      )
      assert.deepStrictEqual(yield* Dns.resolve(node.dns, owner), [claim])
      for (const [body, text] of [
        ["x", "invalid body"],
        [{ value: claim }, "value (str), recipient_id_hex12 (str), ttl (int > 0) required"],
        [
          { value: claim, recipient_id_hex12: "0123456789AB" },
          "recipient_id_hex12 must be 12 lowercase hex chars"
        ],
        [{ value: "v=dmp1;t=chunk;", recipient_id_hex12 }, "value is not a claim wire"],
        [{ value: `${claim}AAAA`, recipient_id_hex12 }, "claim verification failed"]
      ] as const)
        assert.deepStrictEqual(yield* error(node, "/v1/claim/publish", body), [400, text])

      // A bucket of 30 for whoever submits, of 60 for whoever looks.
      const flood = yield* Effect.forEach(Array.from({ length: 40 }), () =>
        error(node, "/v1/heartbeat", {})
      )
      assert.deepInclude(flood, [429, "heartbeat rate limit exceeded"])
      const looks = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => Effect.map(request(node, "/v1/nodes/seen"), ({ status }) => status),
        { concurrency: 8 }
      )
      assert.include(looks, 429)
    })
  )

  it.scopedLive("say 404 where there is nothing behind them, and are not there unasked", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const quiet = yield* start({ DMP_DB_PATH: join(dir, "quiet.db"), DMP_LEGACY_HTTP: "1" })
      assert.deepStrictEqual(JSON.parse((yield* request(quiet, "/v1/info")).body), {
        endpoint: "",
        operator_spk: "",
        claim_provider_zone: "",
        capabilities: 0
      })
      assert.deepStrictEqual(yield* error(quiet, "/v1/heartbeat", { wire: beat(5) }), [
        404,
        "not found"
      ])
      assert.strictEqual((yield* request(quiet, "/v1/nodes/seen")).status, 404)
      assert.deepStrictEqual(yield* error(quiet, "/v1/claim/publish", { value: claim }), [
        404,
        "this node is not a claim provider"
      ])
      const plain = yield* start({ DMP_DB_PATH: join(dir, "plain.db") })
      for (const path of paths) assert.strictEqual((yield* request(plain, path)).status, 404, path)
    })
  )
})
