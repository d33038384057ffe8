/** Discovery's questions over TLS: to a real resolver, and to servers that are not who they should be. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import net, { type AddressInfo } from "node:net"
import { join } from "node:path"
import tls from "node:tls"
import * as Heartbeats from "../../src/peers/HeartbeatConfig.ts"
import * as Resolver from "../../src/peers/Resolver.ts"
import * as Upstream from "../../src/peers/Upstream.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { daemon, installed, run } from "../fixtures/Tools.ts"
import { eventually, freePorts } from "./ClusterNode.ts"

const upstream = (text: string) => Option.getOrThrow(Upstream.parse(text))
const long = "x".repeat(700)

/** A certificate that vouches for itself and names `names`. */
const certificate = (names: string) =>
  Effect.gen(function* () {
    const dir = yield* tempDirectory
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")]
    yield* run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", "2", "-subj", "/CN=resolver", "-addext", `subjectAltName=${names}`],
      ...["-keyout", key, "-out", cert]
    ])
    return { dir, key, cert, pem: readFileSync(cert, "utf8") }
  })

/** Unbound with one zone of its own, on both loopback addresses. */
const unbound = Effect.gen(function* () {
  const identity = yield* certificate("DNS:dns.mesh.test,IP:127.0.0.1,IP:::1")
  const [port = 0] = yield* freePorts(1)
  const conf = join(identity.dir, "unbound.conf")
  const strings = (long.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(" ")
  writeFileSync(
    conf,
    `server:
  interface: 127.0.0.1@${port}
  interface: ::1@${port}
  tls-port: ${port}
  tls-service-key: "${identity.key}"
  tls-service-pem: "${identity.cert}"
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${identity.dir}"
  pidfile: ""
  use-syslog: no
  access-control: 127.0.0.0/8 allow
  access-control: ::1 allow
  local-zone: "mesh.test." static
  local-data: 'one.mesh.test. 60 TXT "here"'
  local-data: 'long.mesh.test. 60 TXT ${strings}'
remote-control:
  control-enable: no
`
  )
  const { log } = yield* daemon("unbound", ["-d", "-c", conf])
  yield* eventually(
    Effect.map(
      run("bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port}`]),
      ({ status }) => status === 0
    ),
    8000
  ).pipe(Effect.tapErrorCause(() => Effect.logError(log())))
  return { ...identity, port }
})

/** What a server heard before and after the handshake. */
const listening = <S extends net.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<number>((resolve) =>
          server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
        )
    ),
    () => Effect.sync(() => void server.close())
  )

const failureOf = (text: string, ca?: string) =>
  Effect.gen(function* () {
    const txt = yield* Resolver.over([upstream(text)], { dnssecRequired: false, ca })
    const result = yield* Effect.either(txt("one.mesh.test"))
    return result._tag === "Left" ? result.left.message : `answered ${result.right.join()}`
  })

describe("a DNS server of the settings", () => {
  it.each([
    ["192.0.2.1", { host: "192.0.2.1", port: 53 }],
    ["[2001:db8::1]:5353", { host: "2001:db8::1", port: 5353 }],
    ["tls://192.0.2.1", { host: "192.0.2.1", port: 853, tls: { name: undefined } }],
    ["tls://2001:db8::1", { host: "2001:db8::1", port: 853, tls: { name: undefined } }],
    [
      "TLS://[2001:db8::1]:8853#DNS.Example.net",
      { host: "2001:db8::1", port: 8853, tls: { name: "dns.example.net" } }
    ],
    [
      "tls://192.0.2.1#dns.example.net",
      { host: "192.0.2.1", port: 853, tls: { name: "dns.example.net" } }
    ]
  ] as const)("is read: %s", (text, expected) => {
    assert.deepStrictEqual(Option.getOrUndefined(Upstream.parse(text)), expected)
  })

  it.each([
    "",
    "dns.example.net",
    "192.0.2.1#dns.example.net",
    "192.0.2.1:0",
    "192.0.2",
    "[192.0.2.1]:53",
    "2001:db8::1]:53",
    "tls://",
    "tls://dns.example.net",
    "tls://192.0.2.1:70000",
    "tls://192.0.2.1#",
    "tls://192.0.2.1#a#b",
    "tls://192.0.2.1#a b",
    "tls://192.0.2.1#192.0.2.1",
    "tls://192.0.2.1#*.example.net",
    "tls:192.0.2.1",
    "https://192.0.2.1/dns-query"
  ])("is refused: %s", (text) => {
    assert.isTrue(Option.isNone(Upstream.parse(text)), text)
  })
})

describe.skipIf(!installed("openssl"))("Resolver over TLS", () => {
  it.scopedLive.skipIf(!installed("unbound"))(
    "asks a real one, by address or by name, on IPv4 and IPv6",
    () =>
      Effect.gen(function* () {
        const { pem, port } = yield* unbound
        for (const text of [
          `tls://127.0.0.1:${port}`,
          `tls://[::1]:${port}`,
          `tls://127.0.0.1:${port}#dns.mesh.test`
        ]) {
          const txt = yield* Resolver.over([upstream(text)], { dnssecRequired: false, ca: pem })
          assert.deepStrictEqual(yield* txt("one.mesh.test"), ["here"], text)
          assert.deepStrictEqual(yield* txt("long.mesh.test"), [long], text)
          assert.deepStrictEqual(yield* txt("none.mesh.test"), [], text)
        }
        // Not who it should be: by name, and by who vouches for it.
        assert.match(yield* failureOf(`tls://127.0.0.1:${port}#other.test`, pem), /altnames/)
        assert.match(yield* failureOf(`tls://127.0.0.1:${port}`), /self-signed/)
        const { pem: another } = yield* certificate("IP:127.0.0.1")
        assert.match(yield* failureOf(`tls://127.0.0.1:${port}`, another), /self-signed|verify/)
      }),
    20_000
  )

  it.scopedLive("takes no certificate that names another address", () =>
    Effect.gen(function* () {
      const { cert, key, pem } = yield* certificate("IP:192.0.2.1,DNS:dns.mesh.test")
      let heard = 0
      const port = yield* listening(
        tls.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
          socket.on("error", () => {})
          socket.on("data", (octets) => (heard += octets.length))
        })
      )
      assert.match(yield* failureOf(`tls://127.0.0.1:${port}`, pem), /IP: 127\.0\.0\.1/)
      assert.strictEqual(heard, 0)
    })
  )

  it.scopedLive("says nothing in the clear to whoever does not speak TLS", () =>
    Effect.gen(function* () {
      const heard: Array<Buffer> = []
      const port = yield* listening(
        net.createServer((socket) => {
          socket.on("error", () => {})
          socket.on("data", (octets) => {
            heard.push(octets)
            socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")
          })
        })
      )
      assert.notMatch(yield* failureOf(`tls://127.0.0.1:${port}`), /^answered/)
      assert.notInclude(Buffer.concat(heard).toString("latin1"), "mesh")
    })
  )

  it.scopedLive("gives up on silence, rubbish and floods", () =>
    Effect.gen(function* () {
      const { cert, key, pem } = yield* certificate("IP:127.0.0.1")
      const answering = (answer: (socket: tls.TLSSocket) => void) =>
        listening(
          tls.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
            socket.on("error", () => {})
            socket.once("data", () => answer(socket))
          })
        )
      const behaviours: ReadonlyArray<(socket: tls.TLSSocket) => void> = [
        (socket) => socket.end(),
        (socket) => socket.write(Buffer.from([0, 3, 1, 2, 3])),
        (socket) => socket.write(Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(70_000)])),
        (socket) => socket.destroy()
      ]
      for (const behaviour of behaviours) {
        const port = yield* answering(behaviour)
        assert.notMatch(yield* failureOf(`tls://127.0.0.1:${port}`, pem), /^answered/)
      }
    })
  )

  it.scopedLive("does not start with authorities that are none", () =>
    Effect.gen(function* () {
      const dir = yield* tempDirectory
      const defaults = yield* Heartbeats.config
      const started = (path: string) =>
        Layer.build(
          Resolver.Resolver.layer.pipe(
            Layer.provide(
              Layer.succeed(Heartbeats.HeartbeatConfig, {
                ...defaults,
                resolversCa: Option.some(path)
              })
            )
          )
        ).pipe(Effect.either)
      const odd = join(dir, "odd.pem")
      writeFileSync(odd, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
      const empty = join(dir, "empty.pem")
      writeFileSync(empty, "\n")
      for (const path of [odd, empty, join(dir, "missing.pem")]) {
        const result = yield* started(path)
        assert.strictEqual(result._tag, "Left", path)
        assert.include(
          result._tag === "Left" ? result.left.lines.join() : "",
          "DMP_HEARTBEAT_DNS_CA_PATH"
        )
      }
      assert.strictEqual((yield* started((yield* certificate("IP:::1")).cert))._tag, "Right")
    })
  )
})
