/** The peers of the DNS benchmarks, each on a port of its own over the same zone file. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ChildProcess } from "node:child_process"
import { knotServer } from "../../test/fixtures/Secondaries.ts"
import { pinned } from "./Machine.ts"
import { zone } from "./Workload.ts"

export interface Rival {
  readonly name: string
  /** What has to be installed; none for Node's own. */
  readonly program?: string
  /** What it prints its version at, -V without. */
  readonly versionFlag?: string
  readonly start: (
    cpu: number,
    port: number,
    dir: string,
    zoneFile: string,
    slow?: boolean
  ) => ChildProcess
}

export const nsd: Rival = {
  name: "NSD",
  program: "nsd",
  versionFlag: "-v",
  start: (cpu, port, dir, zoneFile) => {
    const config = join(dir, "nsd.conf")
    writeFileSync(
      config,
      `server:
  ip-address: 127.0.0.1@${port}
  server-count: 1
  zonesdir: "${dir}"
  database: ""
  pidfile: "${dir}/nsd.pid"
  xfrdfile: "${dir}/xfrd.state"
  zonelistfile: "${dir}/zone.list"
  username: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "${zone}"
  zonefile: "${zoneFile}"
`
    )
    return pinned(cpu, "nsd", ["-d", "-c", config])
  }
}

export const bind: Rival = {
  name: "BIND",
  program: "named",
  versionFlag: "-v",
  start: (cpu, port, dir, zoneFile) => {
    const config = join(dir, "named.conf")
    writeFileSync(
      config,
      `options { directory "${dir}"; pid-file "${dir}/named.pid"; session-keyfile "${dir}/session.key";
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no;
  dnssec-validation no; max-udp-size 1232; minimal-responses yes; };
controls { };
logging { category default { null; }; };
zone "${zone}" { type primary; file "${zoneFile}"; };
`
    )
    return pinned(cpu, "named", ["-f", "-n", "1", "-c", config])
  }
}

export const knot: Rival = {
  name: "Knot",
  program: "knotd",
  start: (cpu, port, dir, zoneFile) => {
    const config = join(dir, "knot.conf")
    writeFileSync(
      config,
      `${knotServer(port, dir)}zone:
  - domain: ${zone}
    file: "${zoneFile}"
`
    )
    return pinned(cpu, "knotd", ["-c", config])
  }
}

const onDatagram = (cpu: number, port: number, reply: string) =>
  pinned(cpu, process.execPath, [
    "-e",
    `const s = require("node:dgram").createSocket({ type: "udp4", recvBufferSize: 4 << 20,
       lookup: (a, _o, done) => done(null, a, 4) });
     const out = Buffer.alloc(${meanReply});
     s.on("message", (m, r) => { m[2] |= 0x80; ${reply}; s.send(m, r.port, r.address) });
     s.bind(${port}, "127.0.0.1")`
  ])

/** Octets of a reply, on average over the mix. */
const meanReply = 255

/** Node's own floor: a datagram socket that sends back what it gets, marked as a response. */
export const echo: Rival = {
  name: "dgram echo",
  start: (cpu, port) => onDatagram(cpu, port, "")
}

/** The floor of what answers: as many octets as answers have, in a buffer of each one's own. */
export const sizedEcho: Rival = {
  name: `dgram echo, ${meanReply} octets`,
  start: (cpu, port) => onDatagram(cpu, port, "m.copy(out); m = Buffer.from(out)")
}
