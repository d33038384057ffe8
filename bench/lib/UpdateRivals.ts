/**
 * The peers of the UPDATE benchmark: the same zone, the same key, and whatever makes a server
 * reply only when the change is on the disk.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { pinned } from "./Machine.ts"
import type { Rival } from "./Rivals.ts"
import { key } from "./Updating.ts"
import { zone } from "./Workload.ts"

const secret = Buffer.from(key.secret).toString("base64")

/** A directory of its own with a zone file the server may write. */
const home = (dir: string, name: string, zoneFile: string): string => {
  const path = join(dir, name)
  mkdirSync(path, { recursive: true })
  copyFileSync(zoneFile, join(path, "zone"))
  return path
}

export const bind: Rival = {
  name: "BIND",
  program: "named",
  versionFlag: "-v",
  start: (cpu, port, dir, zoneFile, slow = false) => {
    const own = home(dir, "bind-update", zoneFile)
    writeFileSync(
      join(own, "named.conf"),
      `options { directory "${own}"; pid-file "${own}/named.pid"; session-keyfile "${own}/session.key";
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; notify no;
  dnssec-validation no; max-udp-size 1232; };
controls { };
logging { category default { null; }; };
key "${key.name}" { algorithm ${key.algorithm}; secret "${secret}"; };
zone "${zone}" { type primary; file "${own}/zone"; allow-update { key "${key.name}"; }; };
`
    )
    return pinned(cpu, "named", ["-f", "-n", "1", "-c", join(own, "named.conf")], { slow })
  }
}

export const knot: Rival = {
  name: "Knot",
  program: "knotd",
  start: (cpu, port, dir, zoneFile, slow = false) => {
    const own = home(dir, "knot-update", zoneFile)
    writeFileSync(
      join(own, "knot.conf"),
      `server:
  listen: 127.0.0.1@${port}
  rundir: "${own}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${own}"
key:
  - id: ${key.name}
    algorithm: ${key.algorithm}
    secret: ${secret}
acl:
  - id: bench
    key: ${key.name}
    action: update
zone:
  - domain: ${zone}
    file: "${own}/zone"
    acl: bench
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
`
    )
    return pinned(cpu, "knotd", ["-c", join(own, "knot.conf")], { slow })
  }
}

export const powerdns: Rival = {
  name: "PowerDNS",
  program: "pdns_server",
  versionFlag: "--version",
  start: (cpu, port, dir, zoneFile, slow = false) => {
    const own = home(dir, "pdns-update", zoneFile)
    writeFileSync(
      join(own, "pdns.conf"),
      `launch=gsqlite3
gsqlite3-database=${own}/pdns.sqlite3
gsqlite3-pragma-journal-mode=WAL
gsqlite3-pragma-synchronous=2
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
local-address=127.0.0.1
local-port=${port}
socket-dir=${own}
receiver-threads=1
distributor-threads=1
signing-threads=1
loglevel=1
guardian=no
daemon=no
`
    )
    const util = (...args: ReadonlyArray<string>) =>
      execFileSync("pdnsutil", [`--config-dir=${own}`, ...args], { stdio: "ignore" })
    const schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
    const database = new DatabaseSync(join(own, "pdns.sqlite3"))
    database.exec(readFileSync(schema, "utf8"))
    database.close()
    util("load-zone", zone, join(own, "zone"))
    util("import-tsig-key", key.name, key.algorithm, secret)
    util("set-meta", zone, "TSIG-ALLOW-DNSUPDATE", key.name)
    return pinned(cpu, "pdns_server", [`--config-dir=${own}`], { slow })
  }
}
