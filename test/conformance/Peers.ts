/** NSD, Knot and BIND as primaries of one zone, from a master file, on loopback. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { freePort } from "../fixtures/FreePort.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { daemon, eventually, run } from "../fixtures/Tools.ts"

interface Peer {
  readonly command: string
  readonly args: (dir: string) => ReadonlyArray<string>
  readonly config: (port: number, dir: string, zone: string, options: PeerOptions) => string
}

export interface PeerOptions {
  /** 32 hexadecimal digits; queries with a server cookie of another are then not answered. */
  readonly cookieSecret?: string
}

const peers: Readonly<Record<"NSD" | "Knot" | "BIND", Peer>> = {
  NSD: {
    command: "nsd",
    args: (dir) => ["-d", "-c", join(dir, "conf")],
    config: (port, dir, zone, { cookieSecret }) => `server:
  ip-address: 127.0.0.1@${port}
  zonesdir: "${dir}"
  database: ""
  pidfile: "${dir}/pid"
  xfrdfile: "${dir}/xfrd.state"
  zonelistfile: "${dir}/zone.list"
  xfrdir: "${dir}"
  username: ""
  ipv4-edns-size: 1232
  minimal-responses: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
${cookieSecret === undefined ? "" : `  answer-cookie: yes\n  cookie-secret: ${cookieSecret}\n`}remote-control:
  control-enable: no
zone:
  name: "${zone}"
  zonefile: "zone"
`
  },
  Knot: {
    command: "knotd",
    args: (dir) => ["-c", join(dir, "conf")],
    config: (port, dir, zone, { cookieSecret }) => `server:
  listen: 127.0.0.1@${port}
  rundir: "${dir}"
  udp-max-payload: 1232
  udp-workers: 1
  tcp-workers: 1
database:
  storage: "${dir}"
log:
  - target: stderr
    any: warning
${cookieSecret === undefined ? "" : `mod-cookies:\n  - id: default\n    secret: 0x${cookieSecret}\n    badcookie-slip: 1\n`}
zone:
  - domain: ${zone}
${cookieSecret === undefined ? "" : "    module: mod-cookies/default\n"}    storage: "${dir}"
    file: zone
`
  },
  BIND: {
    command: "named",
    args: (dir) => ["-n", "1", "-g", "-c", join(dir, "conf")],
    config: (port, dir, zone, { cookieSecret }) => `options {
  directory "${dir}"; pid-file "${dir}/pid"; session-keyfile "${dir}/session.key";
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; allow-query { any; };
  minimal-responses yes; max-udp-size 1232; edns-udp-size 1232; tcp-clients 1000;
${cookieSecret === undefined ? "" : `  cookie-algorithm siphash24; cookie-secret "${cookieSecret}"; require-server-cookie yes;\n`}};
controls { };
zone "${zone}" { type primary; file "${dir}/zone"; notify no; check-names ignore; };
`
  }
}

export type PeerName = keyof typeof peers
export const peerNames: ReadonlyArray<PeerName> = ["NSD", "Knot", "BIND"]
export const programs = ["nsd", "knotd", "named"]

/** Serves `file`, the zone in master-file syntax, until the scope closes; yields the port. */
export const start = (name: PeerName, zone: string, file: string, options: PeerOptions = {}) =>
  Effect.gen(function* () {
    const { args, command, config } = peers[name]
    const dir = yield* tempDirectory
    const port = yield* freePort
    writeFileSync(join(dir, "zone"), file)
    writeFileSync(join(dir, "conf"), config(port, dir, zone, options))
    const { log } = yield* daemon(command, args(dir))
    const up = Effect.map(
      run("dig", ["@127.0.0.1", "-p", String(port), "+tries=1", "+time=1", zone, "SOA"]),
      ({ stdout }) => stdout.includes("status: NOERROR") && stdout.includes("flags: qr aa")
    )
    yield* eventually(up, 20).pipe(
      Effect.tapErrorCause(() => Effect.sync(() => console.error(log())))
    )
    return port
  })
