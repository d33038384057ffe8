/** Nodes that sign what they ask each other, beside nodes that only know tokens. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Either, Option, Redacted } from "effect"
import http from "node:http"
import * as ClusterManifest from "../../src/dmp/ClusterManifest.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as NodeCertificate from "../../src/dmp/NodeCertificate.ts"
import { ManifestInstall } from "../../src/peers/ManifestInstall.ts"
import * as NodeIdentity from "../../src/peers/NodeIdentity.ts"
import { PeerStates } from "../../src/peers/PeerState.ts"
import type { PeersConfigShape } from "../../src/peers/PeersConfig.ts"
import * as RequestSignature from "../../src/peers/RequestSignature.ts"
import { SyncRequests } from "../../src/peers/SyncRequests.ts"
import * as Cluster from "./ClusterNode.ts"
import { entry, reply, serve } from "./HostilePeer.ts"
import { ReleasedNode } from "./ReleasedNode.ts"

const operator = new Uint8Array(32).fill(7)
const spk = Ed25519.publicKey(operator)
const seedOf = (octet: number) => new Uint8Array(32).fill(octet)
const secret = (text: string) => Option.some(Redacted.make(text))

const certify = (nodeId: string, octet: number, by = operator, clusterName = "example.org") =>
  Either.getOrThrow(
    NodeCertificate.sign({ clusterName, nodeId, nodeSpk: Ed25519.publicKey(seedOf(octet)) }, by)
  )

const identity = (nodeId: string, octet: number) =>
  NodeIdentity.parse(NodeIdentity.write(seedOf(octet), certify(nodeId, octet)))

const manifest = (seq: number, nodes: Readonly<Record<string, number>>): string =>
  Either.getOrThrow(
    ClusterManifest.sign(
      {
        clusterName: "example.org",
        operatorSpk: spk,
        nodes: Object.entries(nodes).map(([nodeId, port]) => ({
          nodeId,
          httpEndpoint: `http://127.0.0.1:${port}`,
          dnsEndpoint: ""
        })),
        seq: BigInt(seq),
        exp: Math.floor(Date.now() / 1000) + 100_000
      },
      operator
    )
  )

const zone = { clusterBaseDomain: Option.some(Cluster.zone) }

const start = (
  name: string,
  octet: number,
  port: number,
  changes: Partial<PeersConfigShape> = {},
  more: Partial<Cluster.NodeOptions> = {}
) =>
  Effect.flatMap(Cluster.newDisk, (disk) =>
    Cluster.start({
      disk,
      zone,
      peers: Cluster.peersConfig({
        nodeId: Option.some(name),
        nodeIdentity: identity(name, octet),
        operatorSpk: Option.some(spk),
        syncPort: Option.some(port),
        syncInterval: 0.3,
        ...changes
      }),
      ...more
    })
  )

const install = (node: Cluster.RunningNode, wire: string) =>
  Context.get(node.context, ManifestInstall).offer(wire, "the test")

const holds = (node: Cluster.RunningNode, owner: string, value: string) =>
  Cluster.eventually(
    Effect.map(node.values(owner), (values) => values.includes(value)),
    8000
  )

interface Sent {
  readonly path: string
  readonly method?: "GET" | "POST"
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One request as it stands, answered by status and headers. */
const send = (port: number, { body, headers = {}, method = "GET", path }: Sent) =>
  Effect.async<{ readonly status: number; readonly headers: http.IncomingHttpHeaders }>(
    (resume) => {
      const request = http.request(
        { host: "127.0.0.1", port, path, method, headers, agent: false },
        (response) => {
          response.resume()
          response.on("end", () =>
            resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers }))
          )
        }
      )
      request.on("error", (error) => resume(Effect.die(error)))
      request.end(body)
    }
  )

interface Signing {
  readonly to?: string
  readonly created?: number
  readonly nonce?: string
  readonly keyId?: string
  readonly certificate?: string
  readonly seed?: Uint8Array
  readonly signedBody?: string
}

let count = 0
/** Signs for the process that listens on `port`, as whoever it has told its mark. */
const signer = (port: number) =>
  Effect.map(send(port, digest), ({ headers }) => {
    const mark = String(headers[RequestSignature.startHeader] ?? "")
    return (sent: Sent, how: Signing = {}) =>
      signed(sent, { nonce: mark.padEnd(22, String(count++).padStart(14, "n")), ...how })
  })

const signed = (sent: Sent, how: Signing = {}): Sent => {
  const [path = "", query] = sent.path.split("?")
  return {
    ...sent,
    headers: {
      ...sent.headers,
      ...RequestSignature.sign(
        {
          method: sent.method ?? "GET",
          path,
          query: query === undefined ? "" : `?${query}`,
          contentDigest: RequestSignature.digestOf(Buffer.from(how.signedBody ?? sent.body ?? "")),
          to: how.to ?? "a",
          certificate: how.certificate ?? certify("b", 2)
        },
        {
          created: how.created ?? Math.floor(Date.now() / 1000),
          nonce: how.nonce ?? String(count++).padStart(22, "n"),
          keyId: how.keyId ?? "b"
        },
        how.seed ?? seedOf(2)
      )
    }
  }
}

const digest = { path: "/v1/sync/digest?cursor=0::&limit=5" }
const pull = { path: "/v1/sync/pull", method: "POST", body: '{"names":[]}' } as const

describe("nodes with certified keys", () => {
  it.scopedLive("replicate without any token, and without one in their memory", () =>
    Effect.gen(function* () {
      const [first = 0, second = 0] = yield* Cluster.freePorts(2)
      const none = { syncToken: Option.none(), syncAuth: "signed" } as const
      const a = yield* start("a", 1, first, none)
      const b = yield* start("b", 2, second, none)
      const wire = manifest(1, { a: first, b: second })
      assert.strictEqual(yield* install(a, wire), "installed")
      assert.strictEqual(yield* install(b, wire), "installed")
      yield* a.publish("from-a.example.org", "1")
      yield* b.publish("from-b.example.org", "2")
      yield* holds(b, "from-a.example.org", "1")
      yield* holds(a, "from-b.example.org", "2")
      yield* a.withdraw("from-a.example.org", "1")
      yield* Cluster.eventually(
        Effect.map(b.values("from-a.example.org"), (values) => values.length === 0)
      )
    })
  )

  it.scopedLive("follow clocks that are ten minutes apart", () =>
    Effect.gen(function* () {
      const [first = 0, second = 0] = yield* Cluster.freePorts(2)
      const none = { syncToken: Option.none(), syncAuth: "signed" } as const
      const a = yield* start("a", 1, first, none)
      const b = yield* start("b", 2, second, none, { clockAhead: 600_000 })
      const wire = manifest(1, { a: first, b: second })
      yield* install(a, wire)
      yield* install(b, wire)
      yield* a.publish("from-a.example.org", "1")
      yield* b.publish("from-b.example.org", "2")
      yield* holds(b, "from-a.example.org", "1")
      yield* holds(a, "from-b.example.org", "2")
    })
  )

  it.scopedLive("are let in as long as the manifest lists them, and no moment longer", () =>
    Effect.gen(function* () {
      const [port = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, port)
      const status = (sent: Sent) => Effect.map(send(port, sent), (answer) => answer.status)
      // Nobody is a member before there is a manifest.
      assert.strictEqual(yield* status((yield* signer(port))(digest)), 403)
      assert.isUndefined((yield* send(port, digest)).headers["accept-signature"])
      yield* install(a, manifest(1, { a: port, b: 1 }))
      assert.strictEqual(
        (yield* send(port, digest)).headers["accept-signature"],
        RequestSignature.accepted
      )
      const signed = yield* signer(port)
      for (const path of [
        digest.path,
        "/v1/sync/status",
        "/v1/sync/fingerprint",
        "/v1/sync/deletions?after=0"
      ])
        assert.strictEqual(yield* status(signed({ path })), 200, path)
      assert.strictEqual(yield* status(signed(pull)), 200)
      yield* install(a, manifest(2, { a: port, c: 1 }))
      assert.strictEqual(yield* status(signed(digest)), 403)
      // The token is another matter, until the operator says that there is none.
      assert.strictEqual(
        yield* status({ ...digest, headers: { authorization: `Bearer ${Cluster.token}` } }),
        200
      )
    })
  )

  it.scopedLive("cannot be played by anybody else, whatever is changed", () =>
    Effect.gen(function* () {
      const [port = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, port)
      yield* install(a, manifest(1, { a: port, b: 1, c: 2 }))
      const signed = yield* signer(port)
      const now = Math.floor(Date.now() / 1000)
      const refused = (what: string, sent: Sent) =>
        Effect.map(send(port, sent), ({ status }) => assert.strictEqual(status, 403, what))
      const good = signed(digest)
      assert.strictEqual((yield* send(port, good)).status, 200)
      yield* refused("the same again", good)
      yield* refused("another query", { ...signed(digest), path: "/v1/sync/digest?limit=9" })
      yield* refused("another route", { ...signed(digest), path: "/v1/sync/fingerprint" })
      yield* refused("another body", signed(pull, { signedBody: '{"names":["x"]}' }))
      yield* refused("for another node", signed(digest, { to: "c" }))
      yield* refused("too late", signed(digest, { created: now - 70 }))
      yield* refused("too early", signed(digest, { created: now + 70 }))
      yield* refused("no member", signed(digest, { keyId: "d", certificate: certify("d", 2) }))
      yield* refused("another's name", signed(digest, { keyId: "c" }))
      yield* refused("another's key", signed(digest, { seed: seedOf(3) }))
      yield* refused(
        "a certificate of its own",
        signed(digest, { certificate: certify("b", 2, seedOf(2)) })
      )
      yield* refused(
        "of another cluster",
        signed(digest, { certificate: certify("b", 2, operator, "example.net") })
      )
      yield* refused("no certificate", signed(digest, { certificate: "x" }))
      const half = signed(digest).headers
      yield* refused("half of it", {
        ...digest,
        headers: { "signature-input": half?.["signature-input"] ?? "" }
      })
      yield* refused("rubbish beside a good token", {
        ...digest,
        headers: { authorization: `Bearer ${Cluster.token}`, "signature-input": "dnsmesh=();" }
      })
      // The real one still gets in.
      assert.strictEqual((yield* send(port, signed(digest))).status, 200)
    })
  )

  it.scopedLive("are not answered again after a restart what they were answered before it", () =>
    Effect.gen(function* () {
      const [port = 0] = yield* Cluster.freePorts(1)
      const disk = yield* Cluster.newDisk
      const begin = Effect.tap(start("a", 1, port, {}, { disk }), (a) =>
        install(a, manifest(1, { a: port, b: 1 }))
      )
      const before = yield* begin
      const sign = yield* signer(port)
      const now = Math.floor(Date.now() / 1000)
      // The last of them by a clock that is as far ahead as a clock may be.
      const answered = [sign(digest), sign(pull), sign(digest, { created: now + 58 })]
      for (const sent of answered) assert.strictEqual((yield* send(port, sent)).status, 200)
      yield* before.stop
      yield* begin
      for (const sent of answered) assert.strictEqual((yield* send(port, sent)).status, 403)
      assert.strictEqual((yield* send(port, (yield* signer(port))(digest))).status, 200)
    })
  )

  it.scopedLive("take no token where only signatures count", () =>
    Effect.gen(function* () {
      const [port = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, port, { syncAuth: "signed" })
      yield* install(a, manifest(1, { a: port, b: 1 }))
      const bearer = { ...digest, headers: { authorization: `Bearer ${Cluster.token}` } }
      assert.strictEqual((yield* send(port, bearer)).status, 403)
      const signed = yield* signer(port)
      assert.strictEqual((yield* send(port, signed(digest))).status, 200)
    })
  )
})

describe("a node that signs", () => {
  /** A peer that answers everything, and what it was shown. */
  const listener = (answer: (request: http.IncomingMessage) => number) =>
    Effect.gen(function* () {
      const shown: Array<"token" | "signature" | "nothing"> = []
      const { port } = yield* serve((request, response) => {
        const { authorization } = request.headers
        shown.push(
          authorization !== undefined
            ? "token"
            : request.headers.signature === undefined
              ? "nothing"
              : "signature"
        )
        response.statusCode = answer(request)
        reply({ records: [entry("x.example.org", "x", 1)], has_more: false })(request, response)
      })
      return { port, shown }
    })

  it.scopedLive("shows a released node its token, as before", () =>
    Effect.gen(function* () {
      const released = new ReleasedNode(Cluster.token)
      const port = yield* Effect.promise(() => released.listen())
      yield* Effect.addFinalizer(() => Effect.promise(() => released.close()))
      released.put("old.example.org", "old", 600)
      const [own = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, own)
      yield* install(a, manifest(1, { a: own, old: port }))
      yield* holds(a, "old.example.org", "old")
      // One that cannot take signatures is not bothered with one each time.
      assert.isAtMost(released.requests.filter(({ status }) => status === 403).length, 1)
      yield* a.publish("new.example.org", "new")
      yield* Effect.promise(() => released.tick(own))
      yield* Effect.promise(() => released.tick(own))
      assert.include(released.holdings.join(), "new.example.org")
    })
  )

  it.scopedLive("never shows a token again to a peer that once took a signature", () =>
    Effect.gen(function* () {
      let takes = true
      const peer = yield* listener((request) =>
        takes || request.headers.authorization !== undefined ? 200 : 403
      )
      const [own = 0] = yield* Cluster.freePorts(1)
      const disk = yield* Cluster.newDisk
      const begin = start("a", 1, own, {}, { disk })
      const a = yield* begin
      const wire = manifest(1, { a: own, b: peer.port })
      yield* install(a, wire)
      yield* Cluster.eventually(Effect.sync(() => peer.shown.length > 2))
      // Somebody in between takes the offer away and asks for the token instead.
      takes = false
      const before = peer.shown.length
      yield* Cluster.eventually(Effect.sync(() => peer.shown.length > before + 2))
      yield* a.stop
      const after = peer.shown.length
      // Nor does a restart make it forget.
      const again = yield* begin
      yield* install(again, wire)
      yield* Cluster.eventually(Effect.sync(() => peer.shown.length > after))
      assert.deepStrictEqual([...new Set(peer.shown)], ["signature"])
      const [state] = Context.get(again.context, PeerStates).all()
      yield* Cluster.eventually(Effect.sync(() => (state?.failures ?? 0) > 0))
      assert.include(state?.lastError, "signature")
    })
  )

  it.scopedLive("signs again at once for a peer that has started anew, and loses no round", () =>
    Effect.gen(function* () {
      const marks = ["first--1", "second-2"]
      let mark = marks[0] ?? ""
      const refused: Array<string> = []
      const taken = new Map<string, number>()
      const { port } = yield* serve((request, response) => {
        const nonce = /;nonce="([^"]+)"/.exec(String(request.headers["signature-input"]))?.[1] ?? ""
        const isFor = nonce.startsWith(mark)
        if (isFor) taken.set(mark, (taken.get(mark) ?? 0) + 1)
        else refused.push(nonce.slice(0, 8))
        response.statusCode = isFor ? 200 : 403
        response.setHeader(RequestSignature.startHeader, mark)
        reply({ records: [entry("x.example.org", "x", 1)], has_more: false })(request, response)
      })
      const [own = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, own, { syncAuth: "signed" })
      yield* install(a, manifest(1, { a: own, b: port }))
      const often = Effect.sync(() => (taken.get(mark) ?? 0) > 3)
      yield* Cluster.eventually(often)
      mark = marks[1] ?? ""
      yield* Cluster.eventually(often)
      assert.strictEqual(Context.get(a.context, PeerStates).all()[0]?.failures, 0)
      assert.isNotEmpty(refused)
      assert.isTrue(refused.every((seen) => seen !== mark))
    })
  )

  it.scopedLive("shows nobody anything when it may only sign and cannot", () =>
    Effect.gen(function* () {
      const peer = yield* listener(() => 200)
      const [own = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, own, {
        syncAuth: "signed",
        syncPeers: [Cluster.url(`http://127.0.0.1:${peer.port}`)]
      })
      const states = Context.get(a.context, PeerStates)
      yield* Cluster.eventually(Effect.sync(() => (states.all()[0]?.failures ?? 0) > 1))
      assert.isEmpty(peer.shown)
      assert.include(states.all()[0]?.lastError, "manifest")
    })
  )

  it.scopedLive("signs nothing when told to show tokens", () =>
    Effect.gen(function* () {
      const peer = yield* listener(() => 200)
      const [own = 0] = yield* Cluster.freePorts(1)
      const a = yield* start("a", 1, own, { syncAuth: "bearer" })
      yield* install(a, manifest(1, { a: own, b: peer.port }))
      yield* Cluster.eventually(Effect.sync(() => peer.shown.length > 2))
      assert.deepStrictEqual([...new Set(peer.shown)], ["token"])
    })
  )

  it.scopedLive("tells what it has shown to whom", () =>
    Effect.gen(function* () {
      const [first = 0, second = 0] = yield* Cluster.freePorts(2)
      const a = yield* start("a", 1, first)
      const b = yield* start("b", 2, second)
      const wire = manifest(1, { a: first, b: second })
      yield* install(a, wire)
      yield* install(b, wire)
      const shownTo = Context.get(a.context, SyncRequests).shownTo
      yield* Cluster.eventually(
        Effect.sync(() => shownTo(`http://127.0.0.1:${second}`) === "signature")
      )
    })
  )
})

describe("tokens of single peers", () => {
  it.scopedLive("go to their peer alone, and name whoever shows them", () =>
    Effect.gen(function* () {
      const shown = new Map<number, Set<string>>()
      const peers = yield* Effect.forEach([0, 1], (at) =>
        serve((request, response) => {
          const seen = shown.get(at) ?? new Set()
          shown.set(at, seen.add(request.headers.authorization ?? ""))
          reply({ records: [] })(request, response)
        })
      )
      const [byId, byUrl] = peers.map(({ port }) => `http://127.0.0.1:${port}`)
      const disk = yield* Cluster.newDisk
      const token = (peer: string, text: string) => ({ peer, token: Redacted.make(text) })
      const a = yield* Cluster.start({
        disk,
        zone,
        peers: Cluster.peersConfig({
          syncInterval: 0.2,
          operatorSpk: Option.some(spk),
          syncToken: Option.none(),
          peerTokens: [token("b", "the token for b"), token(byUrl ?? "", "the token for c")],
          acceptedPeerTokens: [
            token("b", "the old one of b"),
            token("b", "the new one of b"),
            token("c", "the one of c")
          ]
        })
      })
      yield* install(a, manifest(1, { b: peers[0]?.port ?? 0, c: peers[1]?.port ?? 0 }))
      yield* Cluster.eventually(Effect.sync(() => shown.size === 2))
      yield* Effect.sleep("600 millis")
      assert.deepStrictEqual([...(shown.get(0) ?? [])], ["Bearer the token for b"], byId)
      assert.deepStrictEqual([...(shown.get(1) ?? [])], ["Bearer the token for c"])

      const status = (text: string) =>
        Effect.promise(() =>
          fetch(`http://127.0.0.1:${a.port}/v1/sync/status`, {
            headers: { authorization: `Bearer ${text}` }
          }).then(async (response) => ({
            status: response.status,
            body: response.status === 200 ? await response.text() : ""
          }))
        )
      for (const text of ["the old one of b", "the new one of b", "the one of c"])
        assert.strictEqual((yield* status(text)).status, 200, text)
      for (const text of ["the token for b", "", Cluster.token])
        assert.strictEqual((yield* status(text)).status, 403, text)
      const { body } = yield* status("the one of c")
      const { callers } = JSON.parse(body) as {
        callers: ReadonlyArray<{ peer: string; by: string; requests: number }>
      }
      assert.deepStrictEqual(
        callers.map(({ by, peer, requests }) => [peer, by, requests]),
        [
          ["b", "token", 1],
          ["b", "token-2", 1],
          ["c", "token", 2]
        ]
      )
      assert.notInclude(body, "one of")
    })
  )

  it.scopedLive("stand beside the shared one, which the others are shown", () =>
    Effect.gen(function* () {
      const shown = new Set<string>()
      const { port } = yield* serve((request, response) => {
        shown.add(request.headers.authorization ?? "")
        reply({ records: [] })(request, response)
      })
      const disk = yield* Cluster.newDisk
      yield* Cluster.start({
        disk,
        peers: Cluster.peersConfig({
          syncInterval: 0.2,
          syncToken: secret("the shared one"),
          peerTokens: [{ peer: "somebody", token: Redacted.make("another's token") }],
          syncPeers: [Cluster.url(`http://127.0.0.1:${port}`)]
        })
      })
      yield* Cluster.eventually(Effect.sync(() => shown.size > 0))
      assert.deepStrictEqual([...shown], ["Bearer the shared one"])
    })
  )
})
