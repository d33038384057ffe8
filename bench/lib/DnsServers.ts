/** Our node and its peers over the same zone, side by side on the servers' processor. */
import { join } from "node:path"
import type { ChildProcess } from "node:child_process"
import { isInstalled, running, sleep, versionOf } from "./Machine.ts"
import { database, scratch, startNode } from "./Node.ts"
import type { Rival } from "./Rivals.ts"
import { type Mix, queries, writeQueries, writeZone } from "./Workload.ts"

export interface DnsServer {
  readonly name: string
  readonly port: number
  readonly child: ChildProcess
}

export interface DnsServers {
  readonly servers: ReadonlyArray<DnsServer>
  readonly queryFile: string
  readonly versions: string
}

/** Those of `rivals` that can run here; says which cannot. */
export const installedOf = (rivals: ReadonlyArray<Rival>): ReadonlyArray<Rival> =>
  rivals.filter(({ name, program }) => {
    if (program === undefined || isInstalled(program)) return true
    console.error(`SKIPPED: ${name}: ${program} is not installed`)
    return false
  })

export const versionsOf = (rivals: ReadonlyArray<Rival>): string =>
  rivals
    .flatMap(({ program, versionFlag }) =>
      program === undefined ? [] : versionOf(program, versionFlag ?? "-V")
    )
    .join("; ")

/** Starts the node and the named peers on `basePort` and the ports after it. */
export const startServers = async (options: {
  readonly names: number
  readonly mix: Mix
  readonly basePort: number
  readonly rivals: ReadonlyArray<Rival>
}): Promise<DnsServers> => {
  const { basePort, mix, names } = options
  const dir = scratch()
  const zoneFile = join(dir, "zone")
  const queryFile = join(dir, "queries")
  writeZone(zoneFile, names)
  writeQueries(queryFile, queries(names, 200_000, mix))
  const rivals = installedOf(options.rivals)
  const node = await startNode(0, {
    db: await database(names),
    dns: basePort,
    http: basePort + 100
  })
  const started = [
    { name: "dnsmesh-node", port: basePort, child: node },
    ...rivals.map((rival, i) => {
      const port = basePort + 1 + i
      return { name: rival.name, port, child: rival.start(0, port, dir, zoneFile) }
    })
  ]
  await sleep(3000)
  return { servers: running(started), queryFile, versions: versionsOf(rivals) }
}
