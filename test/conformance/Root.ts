/**
 * A small world for resolvers: a root and `test.` that delegates `mesh.test` to the node, on
 * port 53 of loopback addresses, because delegations know no other port.
 */
import { writeFileSync } from "node:fs"
import { createSocket } from "node:dgram"
import { join } from "node:path"
import { Effect } from "effect"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { daemon, eventually, run } from "../fixtures/Tools.ts"

export const nodeAddresses = ["127.0.0.2", "127.0.0.3"] as const
const rootAddress = "127.0.0.4"

/** True when this process may use port 53; says so when not. */
export const possible = Effect.async<boolean>((resume) => {
  const socket = createSocket("udp4")
  const done = (yes: boolean) => {
    if (!yes) console.error("SKIPPED: port 53 of 127.0.0.2 cannot be had")
    socket.close(() => resume(Effect.succeed(yes)))
  }
  socket.once("error", () => done(false))
  socket.bind(53, nodeAddresses[0], () => done(true))
})

/** What a node needs to be found there. */
export const nodeEnvironment = (directory: string): Readonly<Record<string, string>> => {
  const file = join(directory, "servers")
  writeFileSync(
    file,
    `@ NS ns1
@ NS ns2
@ MX 10 mail
ns1 A ${nodeAddresses[0]}
ns2 A ${nodeAddresses[1]}
mail A ${nodeAddresses[0]}
`
  )
  return {
    DMP_DNS_HOST: nodeAddresses.join(","),
    DMP_DNS_PORT: "53",
    DMP_DNS_APEX_NS: "",
    DMP_DNS_APEX_A: nodeAddresses[0],
    DMP_ZONE_FILE: file
  }
}

/** Starts the root; yields the path of a hints file. */
export const start = Effect.gen(function* () {
  const dir = yield* tempDirectory
  const soa = "SOA a.root. hostmaster.root. 1 14400 3600 604800 3600"
  writeFileSync(
    join(dir, "root.zone"),
    `. 3600 ${soa}
. 3600 NS a.root.
a.root. 3600 A ${rootAddress}
test. 3600 NS ns.test.
ns.test. 3600 A ${rootAddress}
`
  )
  writeFileSync(
    join(dir, "test.zone"),
    `test. 3600 ${soa}
test. 3600 NS ns.test.
ns.test. 3600 A ${rootAddress}
mesh.test. 3600 NS ns1.mesh.test.
mesh.test. 3600 NS ns2.mesh.test.
ns1.mesh.test. 3600 A ${nodeAddresses[0]}
ns2.mesh.test. 3600 A ${nodeAddresses[1]}
`
  )
  writeFileSync(
    join(dir, "nsd.conf"),
    `server:
  ip-address: ${rootAddress}@53
  zonesdir: "${dir}"
  database: ""
  pidfile: "${dir}/pid"
  xfrdfile: "${dir}/xfrd.state"
  zonelistfile: "${dir}/zone.list"
  xfrdir: "${dir}"
  username: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
zone:
  name: "test"
  zonefile: "test.zone"
`
  )
  const hints = join(dir, "hints")
  writeFileSync(hints, `. 3600 NS a.root.\na.root. 3600 A ${rootAddress}\n`)
  const { log } = yield* daemon("nsd", ["-d", "-c", join(dir, "nsd.conf")])
  yield* eventually(
    Effect.map(
      run("dig", [`@${rootAddress}`, "+tries=1", "+time=1", "test", "SOA"]),
      ({ stdout }) => stdout.includes("flags: qr aa")
    )
  ).pipe(Effect.tapErrorCause(() => Effect.sync(() => console.error(log()))))
  return hints
})
