/**
 * The recorded traffic of three released clients, and of a probe beside them, against this node
 * configured alike: the same statuses, `error` texts, rcodes and values, but for the
 * improvements listed here with their reasons.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { directory, type Environment, start } from "./NodeProcess.ts"
import * as Replay from "./Replay.ts"

const multiTenant = {
  DMP_AUTH_MODE: "multi-tenant",
  DMP_NODE_HOSTNAME: "node.e2e.test",
  DMP_REGISTRATION_ENABLED: "1",
  DMP_REGISTRATION_ENDPOINT_RATE_PER_SEC: "0",
  DMP_REGISTRATION_ISSUED_RATE_PER_SEC: "0"
}

const captures: ReadonlyArray<readonly [name: string, env: Environment]> = [
  ["bearer-0.3.0", {}],
  ["multi-tenant-0.7.5", multiTenant],
  // Its clients prove no mailbox key: they are known as recipients by their identities.
  ["tsig-0.6.6", { ...multiTenant, DMP_DNS_UPDATE_ENABLED: "1" }]
]

interface Improvement {
  readonly why: string
  readonly recorded: string
  readonly ours: string
  /** The `error` where it differs with the status. */
  readonly error?: string
  readonly is: (row: Replay.Row) => boolean
  /** How often, by capture: no more, and no less. */
  readonly times: Readonly<Record<string, number>>
}

const step = (text: string) => (row: Replay.Row) => row.step === text
const query = (row: Replay.Row) => "via" in row
const asks = (label: string) => (row: Replay.Row) =>
  "via" in row &&
  Buffer.from(row.ask, "base64").includes(`${String.fromCharCode(label.length)}${label}`, 12)

const scoped = (what: string, reason: string): Improvement => ({
  why: "a live token outside its scope is told so, with a reason, instead of being called unknown",
  recorded: "401",
  ours: "403",
  error: `token scope: ${reason}`,
  is: step(what),
  times: { "multi-tenant-0.7.5": 1 }
})

const improvements: ReadonlyArray<Improvement> = [
  {
    why: "a cut answer is still this node's own: it keeps AA (RFC 1035 §4.1.1)",
    recorded: "NOERROR TC",
    ours: "NOERROR AA TC",
    is: query,
    times: { "multi-tenant-0.7.5": 31, "tsig-0.6.6": 30 }
  },
  {
    why: "without EDNS nothing above 512 octets goes over UDP (RFC 1035 §4.2.1); TCP has it all",
    recorded: "NOERROR AA",
    ours: "NOERROR AA TC",
    is: query,
    times: { "bearer-0.3.0": 12 }
  },
  {
    why: "names that others come to stand below are never NXDOMAIN (RFC 8020)",
    recorded: "NXDOMAIN AA",
    ours: "NOERROR AA",
    is: asks("dmp"),
    times: { "multi-tenant-0.7.5": 8, "tsig-0.6.6": 1 }
  },
  scoped("token: another's name is 401", "the name belongs to another subject"),
  scoped("token: operator's names are 401", "the name is the operator's (not a name users write)"),
  scoped("token: no delete of shared names", "shared names are never deleted by users")
]

const excuse = ({ difference, ours, recorded, row }: Replay.Said): Improvement | undefined =>
  improvements.find(
    (listed) =>
      listed.recorded === recorded &&
      listed.ours === ours &&
      listed.is(row) &&
      difference === (listed.error === undefined ? "" : `error: ${JSON.stringify(listed.error)}`)
  )

describe("recorded traffic gets what it got then", () => {
  it.scopedLive.each(captures)("%s", ([name, env]) =>
    Effect.gen(function* () {
      const node = yield* start({
        DMP_DB_PATH: `${yield* directory}/dmp.db`,
        DMP_DOMAIN: "mesh.e2e.test",
        DMP_OPERATOR_TOKEN: "op-secret-token",
        DMP_DNS_RATE: "0",
        DMP_HTTP_RATE: "0",
        ...env
      })
      const rows = Replay.load(name)
      const said = yield* Replay.replay(node, rows)
      assert.strictEqual(said.length, rows.length)
      const different = said.filter(
        ({ difference, ours, recorded }) => ours !== recorded || difference !== ""
      )
      assert.deepStrictEqual(
        different
          .filter((one) => excuse(one) === undefined)
          .map((one) => `${one.row.step}: ${one.recorded}, now ${one.ours} ${one.difference}`),
        []
      )
      for (const improvement of improvements)
        assert.strictEqual(
          different.filter((one) => excuse(one) === improvement).length,
          improvement.times[name] ?? 0,
          improvement.why
        )
    })
  )
})
