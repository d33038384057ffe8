import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import packet from "dns-packet"
import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { parseResolver } from "../../src/cli/doctor.ts"
import type { Finding } from "../../src/cli/doctor/Finding.ts"
import * as Hardening from "../../src/cli/doctor/Hardening.ts"
import * as Outside from "../../src/cli/doctor/Outside.ts"
import type { World } from "../../src/cli/doctor/World.ts"
import { forwarding, total } from "../../src/cli/doctor/RunningNode.ts"
import { loadConfig } from "../../src/Settings.ts"

const config = (environment: Readonly<Record<string, string>>) =>
  Effect.map(
    loadConfig({ DMP_DB_PATH: "/var/lib/dmp/dmp.db", ...environment }, { mayCreate: false }).pipe(
      Effect.provide(NodeFileSystem.layer)
    ),
    (loaded) => loaded.config
  )

type Answers = (name: string, type: string) => Partial<packet.Packet>

/** A world in which one server on loopback is resolver, parent and name server at once. */
const world = (answers: Answers, options: { readonly tcp: boolean } = { tcp: true }) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const reply = (query: Buffer): Buffer => {
        const { id, questions = [] } = packet.decode(query)
        const [question] = questions
        return packet.encode({
          type: "response",
          ...(id === undefined ? {} : { id }),
          questions,
          ...answers(question?.name ?? "", question?.type ?? "")
        })
      }
      const tcp = createServer((socket) => {
        socket.on("error", () => {})
        if (!options.tcp) return void socket.destroy()
        socket.on("data", (data: Buffer) => {
          const answer = reply(data.subarray(2))
          const length = Buffer.alloc(2)
          length.writeUInt16BE(answer.length)
          socket.write(Buffer.concat([length, answer]))
        })
      })
      await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve))
      const address = tcp.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const udp = createSocket("udp4")
      udp.on("message", (query, { address: to, port: back }) => udp.send(reply(query), back, to))
      await new Promise<void>((resolve) => udp.bind(port, "127.0.0.1", resolve))
      return { tcp, udp, port }
    }),
    ({ tcp, udp }) =>
      Effect.sync(() => {
        udp.close()
        tcp.close()
      })
  ).pipe(
    Effect.map(({ port }): World => ({
      resolver: { host: "127.0.0.1", port },
      dnsPort: port,
      // Nothing listens for HTTPS there.
      httpsPort: 1
    }))
  )

const soa = (name: string): packet.Answer => ({
  type: "SOA",
  name,
  data: { mname: name, rname: name, serial: 7, refresh: 1, retry: 1, expire: 1, minimum: 1 }
})

/** All is well: `mesh.test` is delegated to `ns.test`, which has authority. */
const good: Answers = (name, type) => {
  if (type === "NS" && name === "test")
    return { answers: [{ type: "NS", name, data: "parent.test" }] }
  if (type === "NS" && name === "mesh.test")
    return { authorities: [{ type: "NS", name, data: "ns.test" }] }
  if (type === "A") return { answers: [{ type: "A", name, data: "127.0.0.1" }] }
  if (type === "SOA" && name === "mesh.test")
    return { flags: packet.AUTHORITATIVE_ANSWER, answers: [soa(name)] }
  return {}
}

const look = (answers: Answers, options?: { readonly tcp: boolean }) =>
  Effect.gen(function* () {
    const settings = yield* config({ DMP_DOMAIN: "mesh.test" })
    return yield* Outside.examine(settings.zone, yield* world(answers, options))
  }).pipe(Effect.scoped)

const levels = (findings: ReadonlyArray<Finding>) =>
  findings.map(({ check, level }) => `${check} ${level}`)

describe("doctor, from outside", () => {
  it.live("finds a zone in order by the parent's own word, over both transports", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(levels(yield* look(good)), [
        "delegation ok",
        "reach-udp ok",
        "reach-tcp ok",
        "https unknown"
      ])
    })
  )

  it.live("finds that nobody delegates the zone", () =>
    Effect.gen(function* () {
      const findings = yield* look((name, type) =>
        name === "mesh.test" && type === "NS" ? {} : good(name, type)
      )
      assert.deepInclude(findings[0], { check: "delegation", level: "fail" })
      assert.include(findings[0]?.remedy, "NS records")
    })
  )

  it.live("finds a name server without an address", () =>
    Effect.gen(function* () {
      const findings = yield* look((name, type) => (name === "ns.test" ? {} : good(name, type)))
      assert.isTrue(findings.some((f) => f.level === "fail" && f.message.includes("no address")))
    })
  )

  it.live("finds TCP closed, and an answer without authority", () =>
    Effect.gen(function* () {
      assert.include(levels(yield* look(good, { tcp: false })), "reach-tcp fail")
      const lame = yield* look((name, type) => (type === "SOA" ? {} : good(name, type)))
      assert.include(levels(lame), "reach-udp fail")
    })
  )

  it.live("says what it cannot see when the resolver is silent", () =>
    Effect.gen(function* () {
      const settings = yield* config({ DMP_DOMAIN: "mesh.test" })
      const findings = yield* Outside.examine(settings.zone, {
        resolver: { host: "127.0.0.1", port: 1 },
        dnsPort: 1,
        httpsPort: 1
      })
      assert.deepInclude(findings[0], { check: "delegation", level: "unknown" })
    })
  )
})

describe("doctor --hardening", () => {
  const list = (environment: Readonly<Record<string, string>>, mounts = "", uid = 999) =>
    Effect.map(config(environment), (settings) =>
      Object.fromEntries(
        Hardening.checklist(settings, { mounts, metrics: Option.none(), uid }).map((finding) => [
          finding.check,
          finding
        ])
      )
    )

  it.effect("names what an unhardened node lacks, each with a remedy", () =>
    Effect.gen(function* () {
      const found = yield* list({ DMP_HTTP_RATE: "0" }, "overlay / overlay rw 0 0", 0)
      for (const check of ["operator-token", "persistent-volume"])
        assert.strictEqual(found[check]?.level, "fail", check)
      for (const check of [
        "tls-in-front",
        "users-apart",
        "log-format",
        "unprivileged",
        "rate-limits"
      ])
        assert.strictEqual(found[check]?.level, "warn", check)
      for (const { level, remedy } of Object.values(found))
        assert.strictEqual(remedy === "", level === "ok")
    })
  )

  it.effect("says how far the nodes of a cluster trust each other", () =>
    Effect.gen(function* () {
      assert.notProperty(yield* list({}), "cluster-proof")
      const shared = yield* list({ DMP_SYNC_PEER_TOKEN: "one for all" })
      assert.strictEqual(shared["cluster-proof"]?.level, "warn")
      const apart = yield* list({ DMP_SYNC_PEER_TOKENS: "node-b=a-token-for-b" })
      assert.strictEqual(apart["cluster-proof"]?.level, "ok")
    })
  )

  it.effect("finds a hardened one in order, but claims nothing it cannot see", () =>
    Effect.gen(function* () {
      const found = yield* list(
        {
          DMP_OPERATOR_TOKEN: "token",
          DMP_AUTH_MODE: "multi-tenant",
          DMP_HTTP_HOST: "127.0.0.1",
          DMP_LOG_FORMAT: "json"
        },
        "overlay / overlay rw 0 0\n/dev/sda1 /var/lib/dmp ext4 rw 0 0"
      )
      assert.deepStrictEqual(
        Object.values(found)
          .filter(({ level }) => level !== "ok")
          .map(({ check, level }) => `${check} ${level}`),
        [
          "liveness-probe unknown",
          "metrics-scraped unknown",
          "firewall unknown",
          "backup-elsewhere unknown"
        ]
      )
    })
  )
})

describe("doctor", () => {
  it("takes a resolver as people write it", () => {
    const shown = (text: string) =>
      Option.getOrElse(
        Option.map(parseResolver(text), ({ host, port }) => `${host} ${port}`),
        () => "none"
      )
    assert.strictEqual(shown("1.1.1.1"), "1.1.1.1 53")
    assert.strictEqual(shown("1.1.1.1:5353"), "1.1.1.1 5353")
    assert.strictEqual(shown("2606:4700::1111"), "2606:4700::1111 53")
    assert.strictEqual(shown("[::1]:5353"), "::1 5353")
    assert.strictEqual(shown("[::1]"), "::1 53")
    for (const bad of ["", "dns.example", "1.1.1.1:0", "1.1.1.1:70000", "[x]:53", "1.1.1.1:53:53"])
      assert.strictEqual(shown(bad), "none", bad)
  })

  const metrics = (requests: number, seen: { readonly private: number; readonly public: number }) =>
    [
      `dmp_http_requests_total{method="GET",status="200"} ${requests}`,
      `dmp_http_untrusted_forwards_total{peer="private"} ${seen.private}`,
      `dmp_http_untrusted_forwards_total{peer="public"} ${seen.public}`
    ].join("\n")

  it("finds a proxy that DMP_TRUSTED_PROXIES forgot, and takes a few strangers for what they are", () => {
    assert.strictEqual(forwarding(metrics(1000, { private: 0, public: 50 })).level, "ok")
    const forgotten = forwarding(metrics(1000, { private: 1, public: 0 }))
    assert.strictEqual(forgotten.level, "warn")
    assert.include(forgotten.message, "1 of 1000")
    assert.include(forgotten.remedy, "DMP_TRUSTED_PROXIES")
    const elsewhere = forwarding(metrics(1000, { private: 0, public: 900 }))
    assert.strictEqual(elsewhere.level, "warn")
    assert.include(elsewhere.remedy, "only the proxy reaches this port")
  })

  it("adds up the series of one family only", () => {
    const text = 'a_total{x="1"} 2\na_total{x="2"} 3\na_total_more{x="1"} 100\n# HELP a_total 7\n'
    assert.strictEqual(total(text, "a_total"), 5)
    assert.strictEqual(total(text, "a_total", 'x="2"'), 3)
  })
})
