import { readFileSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { encode } from "dns-packet"
import { Effect } from "effect"
import { frame } from "../../src/wire/TcpFrames.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { installed, run } from "../fixtures/Tools.ts"
import * as WholeNode from "../fixtures/WholeNode.ts"

const identity = Effect.gen(function* () {
  const dir = yield* tempDirectory
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")]
  yield* run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-days", "2", "-subj", "/CN=ns1.mesh.test", "-keyout", key, "-out", cert]
  ])
  return { DMP_DNS_TLS_CERT: cert, DMP_DNS_TLS_KEY: key, DMP_DNS_TLS_PORT: "0" }
})
const query = encode({ type: "query", questions: [{ name: "one.mesh.test", type: "TXT" }] })

const started = (more: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const files = yield* identity
    const node = yield* WholeNode.start({ ...files, ...more })
    yield* node.hold([{ owner: "one.mesh.test", value: "v=dmp1;t=x" }])
    return { node, files }
  })

describe.skipIf(!installed("openssl"))("DNS over TLS", () => {
  it.scopedLive.skipIf(!installed("kdig"))(
    "is understood by kdig, with padding and keepalive",
    () =>
      Effect.gen(function* () {
        const { node } = yield* started()
        const { stdout } = yield* run("kdig", [
          ...["@127.0.0.1", "-p", String(node.dnsOverTls), "+tls", "+keepopen", "+padding=128"],
          ...["one.mesh.test", "TXT", "none.mesh.test", "TXT"]
        ])
        assert.match(stdout, /TLS session \(TLS1\.3\)/)
        assert.match(stdout, /"v=dmp1;t=x"/)
        assert.match(stdout, /status: NXDOMAIN/)
        assert.match(stdout, /PADDING: \d+ B/)
        assert.match(stdout, /Received 468 B/)
      })
  )

  it.scopedLive("answers many queries on one connection, and ends with its client", () =>
    Effect.gen(function* () {
      const { files, node } = yield* started()
      const octets = yield* Effect.async<number>((resume) => {
        let got = 0
        const socket = connectTls(
          {
            port: node.dnsOverTls,
            host: "127.0.0.1",
            ca: readFileSync(files.DMP_DNS_TLS_CERT),
            checkServerIdentity: () => undefined,
            ALPNProtocols: ["dot"]
          },
          () => socket.end(frame([query, query, query]))
        )
        socket.on("data", (chunk: Buffer) => (got += chunk.length))
        socket.on("error", () => socket.destroy())
        socket.on("close", () => resume(Effect.succeed(got)))
      })
      const one = octets / 3
      assert.isAbove(one, query.length)
      assert.strictEqual(one, Math.floor(one))
    })
  )

  it.scopedLive("noise and silence cost a connection each, no more", () =>
    Effect.gen(function* () {
      const { node } = yield* started({
        DMP_DNS_TCP_MESSAGE_TIMEOUT: "0.3",
        DMP_DNS_MAX_TCP_PER_SOURCE: "5"
      })
      const ended = (bytes: Buffer) =>
        Effect.async<boolean>((resume) => {
          const socket = connect(node.dnsOverTls, "127.0.0.1", () => socket.write(bytes))
          const timer = setTimeout(() => resume(Effect.succeed(false)), 3000)
          socket.resume()
          socket.on("error", () => socket.destroy())
          socket.on("close", () => {
            clearTimeout(timer)
            resume(Effect.succeed(true))
          })
        })
      for (const bytes of [frame([query]), Buffer.alloc(0), Buffer.from([22, 3, 1, 0, 200, 1])])
        assert.isTrue(yield* ended(bytes))
      // Every one of them has given its place back.
      const all = yield* Effect.all(
        Array.from({ length: 5 }, () => ended(Buffer.from("x"))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(all, Array(5).fill(true))
    })
  )

  it.scopedLive("a certificate that cannot be used, or stands alone, stops the start", () =>
    Effect.gen(function* () {
      const files = yield* identity
      const lines = (environment: Readonly<Record<string, string>>) =>
        Effect.map(Effect.flip(Effect.scoped(WholeNode.start(environment))), (error) =>
          "lines" in error ? error.lines.join("\n") : String(error)
        )
      assert.match(
        yield* lines({ DMP_DNS_TLS_CERT: files.DMP_DNS_TLS_CERT }),
        /DMP_DNS_TLS_CERT: needs DMP_DNS_TLS_KEY/
      )
      writeFileSync(files.DMP_DNS_TLS_KEY, "nonsense")
      assert.match(yield* lines(files), /^DMP_DNS_TLS_CERT: .*cannot be used/)
    })
  )
})
