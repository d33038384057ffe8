/** A strict resolver in front of the node, and Zonemaster's opinion of its delegation. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { encode } from "dns-packet"
import { Effect } from "effect"
import { daemon, eventually, installed, run } from "../fixtures/Tools.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import * as WholeNode from "../fixtures/WholeNode.ts"
import * as Ask from "./Ask.ts"
import { canonical } from "./Canonical.ts"
import * as Corpus from "./Corpus.ts"
import { freePort } from "../fixtures/FreePort.ts"
import * as Root from "./Root.ts"

const world = Effect.gen(function* () {
  const node = yield* WholeNode.start(Root.nodeEnvironment(yield* tempDirectory))
  return { node, hints: yield* Root.start }
})

const unbound = (hints: string, aggressive: boolean) =>
  Effect.gen(function* () {
    const dir = yield* tempDirectory
    const port = yield* freePort
    writeFileSync(
      join(dir, "conf"),
      `server:
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "${dir}"
  pidfile: "${dir}/pid"
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  root-hints: "${hints}"
  qname-minimisation: yes
  qname-minimisation-strict: yes
  harden-below-nxdomain: yes
  harden-referral-path: yes
  harden-glue: yes
  use-caps-for-id: yes
  local-zone: "test." nodefault
  aggressive-nsec: ${aggressive ? "yes" : "no"}
remote-control:
  control-enable: no
`
    )
    const { log } = yield* daemon("unbound", ["-d", "-c", join(dir, "conf")])
    yield* eventually(
      Effect.map(
        run("dig", ["@127.0.0.1", "-p", String(port), "+tries=1", "+time=1", "mesh.test", "SOA"]),
        ({ stdout }) => stdout.includes("status: NOERROR")
      ),
      20
    ).pipe(Effect.tapErrorCause(() => Effect.sync(() => console.error(log()))))
    return port
  })

const query = (name: string, type: "TXT" | "A" = "TXT") =>
  encode({ type: "query", flags: 0x0100, questions: [{ name, type }] })

describe.skipIf(!installed("dig", "nsd", "unbound"))("resolvers", () => {
  for (const aggressive of [false, true])
    it.scopedLive(
      `Unbound at its strictest resolves all the node holds, ${aggressive ? "with" : "without"} aggressive NSEC`,
      () =>
        Effect.gen(function* () {
          if (!(yield* Root.possible)) return
          const { hints, node } = yield* world
          const records = Corpus.held("mesh.test")
          yield* node.hold(records)
          const port = yield* unbound(hints, aggressive)
          const ask = (queries: ReadonlyArray<Buffer>) =>
            Effect.map(Ask.overTcp(port, queries, 20), (replies) =>
              replies.map((reply) => (reply === undefined ? undefined : canonical(reply)))
            )
          const names = [...new Set(records.map(({ owner }) => owner))]
          // The parents first: what they are answered with must hide nothing below them.
          const parents = [...new Set(names.map((name) => name.slice(name.indexOf(".") + 1)))]
          yield* ask(parents.flatMap((name) => [query(name, "A"), query(name)]))
          const replies = yield* ask(names.map((name) => query(name)))
          const wrong = names.filter((name, i) => {
            const values = records.filter(({ owner }) => owner === name).length
            return replies[i]?.rcode !== 0 || replies[i]?.answer.length !== values
          })
          assert.deepStrictEqual(wrong, [])

          const fresh = "mb-0123456789ab.mesh.test"
          const [missing, ...parent] = yield* ask([
            query("no-such-name.mesh.test"),
            query(fresh),
            query(fresh, "A")
          ])
          assert.strictEqual(missing?.rcode, 3)
          assert.deepStrictEqual(
            parent.map((it) => it?.rcode),
            [0, 0]
          )
          yield* node.hold([{ owner: `slot-1.${fresh}`, value: "a first message" }])
          const [first] = yield* ask([query(`slot-1.${fresh}`)])
          assert.strictEqual(first?.answer.length, 1)
        }),
      60_000
    )

  it.scopedLive.skipIf(!installed("zonemaster-cli"))(
    "Zonemaster finds nothing worse than what a loopback world without DNSSEC must show",
    () =>
      Effect.gen(function* () {
        if (!(yield* Root.possible)) return
        const { hints } = yield* world
        const { stderr, stdout } = yield* run(
          "zonemaster-cli",
          [
            ...["--hints", hints, "--no-ipv6", "--no-progress", "--level", "NOTICE"],
            ...["--show_module", "--show_testcase", "--raw", "mesh.test"]
          ],
          "",
          110
        )
        // Said of every unsigned zone: it was looked at to the end.
        assert.match(stdout, /\bNOT_SIGNED\b/, stderr)
        // Loopback addresses are private and have no PTR records.
        const artefacts = /NAMESERVER_IP_PRIVATE_NETWORK|NAMESERVER_IP_WITHOUT_REVERSE/
        const worse = stdout
          .split("\n")
          .filter((line) => /\b(WARNING|ERROR|CRITICAL)\b/.test(line) && !artefacts.test(line))
        assert.deepStrictEqual(worse, [])
      }),
    120_000
  )
})
