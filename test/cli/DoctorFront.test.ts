/** The doctor before a real TLS server on loopback, with certificates as they go wrong in practice. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import packet from "dns-packet"
import { execFileSync } from "node:child_process"
import { createSocket } from "node:dgram"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer, type ServerResponse } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import type { AddressInfo, Server } from "node:net"
import { join } from "node:path"
import * as Certificate from "../../src/cli/doctor/Certificate.ts"
import { exposure } from "../../src/cli/doctor/Exposure.ts"
import * as HttpProbe from "../../src/cli/doctor/HttpProbe.ts"
import { publicFront } from "../../src/cli/doctor/PublicFront.ts"
import type { World } from "../../src/cli/doctor/World.ts"
import { freePort } from "../fixtures/FreePort.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { installed } from "../fixtures/Tools.ts"

const hostname = "node.test"
const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

interface Shown {
  readonly key: string
  readonly cert: string
}

/** Makes certificates of one authority, or of nobody but themselves. */
const authority = Effect.map(tempDirectory, (home) => {
  const file = (name: string) => join(home, name)
  const openssl = (...args: ReadonlyArray<string>) =>
    execFileSync("openssl", args, { cwd: home, stdio: "pipe" })
  const text = (name: string) => readFileSync(file(name), "utf8")
  openssl(
    ...["req", "-x509", ...curve, "-keyout", "ca.key", "-out", "ca.pem"],
    ...["-subj", "/CN=doctor's authority", "-days", "30"]
  )
  return {
    root: text("ca.pem"),
    signed: (name: string, days: number): Shown => {
      openssl("req", ...curve, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf")
      writeFileSync(file("names"), `subjectAltName=DNS:${name},DNS:www.${name}`)
      openssl(
        ...["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key"],
        ...["-CAcreateserial", "-days", String(days), "-extfile", "names", "-out", "leaf.pem"]
      )
      return { key: text("leaf.key"), cert: text("leaf.pem") }
    },
    selfSigned: (name: string): Shown => {
      openssl(
        ...["req", "-x509", ...curve, "-keyout", "own.key", "-out", "own.pem", "-days", "60"],
        ...["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`]
      )
      return { key: text("own.key"), cert: text("own.pem") }
    }
  }
})

const serving = <S extends Server>(server: S) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.sync(() => (server.address() as AddressInfo).port))
      )
    }),
    () => Effect.sync(() => void server.close())
  )

/** A resolver that knows the A records of one name. */
const resolver = (addresses: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.async<{ readonly close: () => void; readonly port: number }>((resume) => {
      const socket = createSocket("udp4")
      socket.on("message", (query, { address, port }) => {
        const { id, questions = [] } = packet.decode(query)
        const [question] = questions
        const answers: Array<packet.Answer> =
          question?.name === hostname && question.type === "A"
            ? addresses.map((data) => ({ type: "A", name: hostname, data }))
            : []
        socket.send(
          packet.encode({
            type: "response",
            ...(id === undefined ? {} : { id }),
            questions,
            answers
          }),
          port,
          address
        )
      })
      socket.bind(0, "127.0.0.1", () =>
        resume(Effect.succeed({ close: () => void socket.close(), port: socket.address().port }))
      )
    }),
    ({ close }) => Effect.sync(close)
  )

const health = JSON.stringify({ status: "ok" })

interface Options {
  readonly authorities?: ReadonlyArray<string>
  readonly addresses?: ReadonlyArray<string>
  readonly status?: number
  readonly body?: string
}

/** What the doctor finds before a proxy that shows `shown`. */
const before = (shown: Shown, options: Options = {}) =>
  Effect.gen(function* () {
    const port = yield* serving(
      createHttpsServer(shown, (_request, response) => {
        response.statusCode = options.status ?? 200
        response.end(options.body ?? health)
      })
    )
    return yield* look(port, options)
  })

const look = (httpsPort: number, options: Options = {}) =>
  Effect.gen(function* () {
    const { port } = yield* resolver(options.addresses ?? ["127.0.0.1"])
    const world: World = {
      resolver: { host: "127.0.0.1", port },
      dnsPort: port,
      httpsPort,
      ...(options.authorities === undefined ? {} : { authorities: options.authorities })
    }
    const found = yield* publicFront(world, hostname)
    for (const { level, remedy } of found) assert.strictEqual(remedy === "", level === "ok")
    return found
  })

/** What strangers reach of a node whose proxy shows `shown` and answers `status` to everything. */
const exposed = (shown: Shown, options: { readonly status: number; readonly plain: boolean }) =>
  Effect.gen(function* () {
    const answer = (_request: unknown, response: ServerResponse) => {
      response.statusCode = options.status
      response.end(health)
    }
    const httpsPort = yield* serving(createHttpsServer(shown, answer))
    const plainPort = options.plain ? yield* serving(createHttpServer(answer)) : yield* freePort
    const { port } = yield* resolver(["127.0.0.1"])
    const world = { resolver: { host: "127.0.0.1", port }, dnsPort: port, httpsPort }
    const found = yield* exposure(world, plainPort, hostname)
    for (const { level, remedy } of found) assert.strictEqual(remedy === "", level === "ok")
    return found.map(({ check, level }) => `${check} ${level}`)
  })

const one = (check: string, found: Effect.Effect.Success<ReturnType<typeof look>>) => {
  const [finding, ...more] = found.filter((each) => each.check === check)
  assert.lengthOf(more, 0)
  return Option.getOrThrow(Option.fromNullable(finding))
}

describe.skipIf(!installed("openssl"))("doctor, before the proxy", () => {
  it.scopedLive(
    "finds plain HTTP and metrics open to strangers, and says so when they are not",
    () =>
      Effect.gen(function* () {
        const shown = (yield* authority).selfSigned(hostname)
        assert.deepStrictEqual(yield* exposed(shown, { status: 200, plain: true }), [
          "plain-http fail",
          "metrics fail"
        ])
        assert.deepStrictEqual(yield* exposed(shown, { status: 401, plain: false }), [
          "plain-http ok",
          "metrics ok"
        ])
      })
  )

  it.scopedLive("finds a certificate in order that a known authority signed for the name", () =>
    Effect.gen(function* () {
      const { root, signed } = yield* authority
      const found = yield* before(signed(hostname, 60), { authorities: [root] })
      assert.deepStrictEqual(
        found.map(({ check, level }) => `${check} ${level}`),
        ["tls ok", "https ok"]
      )
    })
  )

  it.scopedLive("warns of one that should have been renewed, by the life it was given", () =>
    Effect.gen(function* () {
      const { root, signed } = yield* authority
      const day = 86_400_000
      const levelBefore = (days: number, left: number) =>
        Effect.gen(function* () {
          const port = yield* serving(
            createHttpsServer(signed(hostname, days), (_request, response) => response.end(health))
          )
          const { certificate } = yield* HttpProbe.get({
            ...{ tls: true, address: "127.0.0.1", port, host: hostname, path: "/" },
            authorities: [root]
          })
          const end = certificate?.validTo ?? 0
          return Certificate.finding(hostname, certificate, end - left * day)
        })
      const late = yield* levelBefore(90, 8.5)
      assert.strictEqual(late.level, "warn")
      assert.include(late.message, "ends in 8 days")
      assert.include(late.remedy, "renew")
      assert.strictEqual((yield* levelBefore(90, 15)).level, "ok")
      // Authorities give certificates for six days, too, and Caddy's own for hours.
      assert.strictEqual((yield* levelBefore(6, 3)).level, "ok")
      const short = yield* levelBefore(6, 0.5)
      assert.strictEqual(short.level, "warn")
      assert.include(short.message, "ends in 12 hours")
    })
  )

  it.scopedLive("fails one that has expired, and says when", () =>
    Effect.gen(function* () {
      const { root, signed } = yield* authority
      const tls = one("tls", yield* before(signed(hostname, -1), { authorities: [root] }))
      assert.strictEqual(tls.level, "fail")
      assert.match(tls.message, /expired on \d{4}-\d{2}-\d{2}$/)
      assert.include(tls.remedy, "ports 80 and 443")
    })
  )

  it.scopedLive("fails one for another name, and tells which", () =>
    Effect.gen(function* () {
      const { root, signed } = yield* authority
      const tls = one("tls", yield* before(signed("other.test", 60), { authorities: [root] }))
      assert.strictEqual(tls.level, "fail")
      assert.include(tls.message, "for other.test, www.other.test, not for node.test")
      assert.include(tls.remedy, "DMP_NODE_HOSTNAME")
    })
  )

  it.scopedLive("fails one that is self-signed, or of an authority nobody knows", () =>
    Effect.gen(function* () {
      const { root, selfSigned, signed } = yield* authority
      const own = one("tls", yield* before(selfSigned(hostname)))
      assert.strictEqual(own.level, "fail")
      assert.include(own.message, "is self-signed")
      const leaf = signed(hostname, 60)
      const alone = one("tls", yield* before(leaf))
      assert.strictEqual(alone.level, "fail")
      assert.include(alone.message, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
      const chain = one("tls", yield* before({ ...leaf, cert: leaf.cert + root }))
      assert.strictEqual(chain.level, "fail")
      assert.include(chain.message, "comes from a private authority")
      assert.include(chain.remedy, "public authority")
    })
  )

  it.scopedLive("tells a dead proxy from a dead node behind it, and from another service", () =>
    Effect.gen(function* () {
      const { root, signed } = yield* authority
      const authorities = [root]
      const leaf = signed(hostname, 60)
      const gone = one("https", yield* before(leaf, { authorities, status: 502 }))
      assert.strictEqual(gone.level, "fail")
      assert.include(gone.remedy, "DnsmeshDown")
      const other = one("https", yield* before(leaf, { authorities, body: "<h1>It works!</h1>" }))
      assert.strictEqual(other.level, "fail")
      assert.include(other.message, "something else")
      // Nothing listens on port 1.
      const closed = one("https", yield* look(1))
      assert.strictEqual(closed.level, "fail")
      assert.include(closed.remedy, "firewall")
      const plain = yield* serving(createHttpServer((_request, response) => response.end(health)))
      const clear = one("https", yield* look(plain))
      assert.strictEqual(clear.level, "fail")
      assert.include(clear.message, "does not speak TLS")
    })
  )

  it.scopedLive("looks at every address of the name, and says when there is none", () =>
    Effect.gen(function* () {
      const { root, signed } = yield* authority
      // Nothing listens on 127.0.0.2: the server is bound to one address.
      const found = yield* before(signed(hostname, 60), {
        authorities: [root],
        addresses: ["127.0.0.1", "127.0.0.2"]
      })
      assert.deepStrictEqual(
        found.map(({ check, level }) => `${check} ${level}`),
        ["tls ok", "https ok", "https fail"]
      )
      assert.include(found[2]?.message, "127.0.0.2")
      const nowhere = one("address", yield* look(1, { addresses: [] }))
      assert.strictEqual(nowhere.level, "fail")
    })
  )
})
