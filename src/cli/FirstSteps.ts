/**
 * What a new node needs before its first start: its settings and the records to create at the
 * registrar. Pure; `init` writes and prints it.
 */
import * as Name from "../wire/Name.ts"

/** Who starts the node: it decides where settings and secrets are looked for. */
export type Starter = "systemd" | "compose" | "shell"

export interface Wishes {
  readonly starter: Starter
  /** Public host name of the node, as written. */
  readonly hostname: string
  /** The zone it is to serve. */
  readonly zone: string
  readonly mode: "open" | "legacy" | "multi-tenant"
  /** Where data goes, absolute; systemd and compose have a place of their own. */
  readonly directory: string
  readonly ipv4: ReadonlyArray<string>
  readonly ipv6: ReadonlyArray<string>
  /** Absolute path of the file the operator token is in. */
  readonly tokenFile: string
}

/** Where systemd and compose have the data. */
const served = "/var/lib/dmp"

const dataOf = ({ directory, starter }: Wishes): string =>
  starter === "shell" ? directory : served

/** Settings in the order they are written; `token` goes in only where no file can carry it. */
export const environment = (wishes: Wishes, token: string): Readonly<Record<string, string>> => ({
  DMP_NODE_HOSTNAME: wishes.hostname,
  DMP_DOMAIN: wishes.zone,
  DMP_AUTH_MODE: wishes.mode,
  DMP_DNS_APEX_NS: wishes.hostname,
  ...(wishes.ipv4.length > 0 ? { DMP_DNS_APEX_A: wishes.ipv4.join(",") } : {}),
  ...(wishes.ipv6.length > 0 ? { DMP_DNS_APEX_AAAA: wishes.ipv6.join(",") } : {}),
  ...(wishes.starter === "systemd" ? { DMP_DNS_PORT: "53", DMP_HTTP_HOST: "127.0.0.1" } : {}),
  ...(wishes.starter === "compose" ? { DMP_OPERATOR_TOKEN: token, DMP_LOG_FORMAT: "json" } : {}),
  ...(wishes.starter === "shell"
    ? { DMP_DB_PATH: `${wishes.directory}/dmp.db`, DMP_OPERATOR_TOKEN_FILE: wishes.tokenFile }
    : {}),
  ...(wishes.mode === "open" ? { DMP_HTTP_HOST: "127.0.0.1" } : {}),
  DMP_BACKUP_DIR: `${dataOf(wishes)}/backups`
})

const plain = /^[A-Za-z0-9_./:@,+-]*$/

/** One `NAME=value` a line, read alike by systemd, compose and a shell. */
export const environmentFile = (wishes: Wishes, token: string): string => {
  const head =
    wishes.starter === "systemd"
      ? "# The operator token is not here: the unit passes it on from a file of root's."
      : "# Keep this file to yourself."
  const lines = Object.entries(environment(wishes, token)).map(
    ([name, value]) => `${name}=${plain.test(value) ? value : `'${value}'`}`
  )
  return [head, ...lines, ""].join("\n")
}

const isBelow = (name: string, zone: string) => name === zone || name.endsWith(`.${zone}`)
const lower = (name: string) => name.toLowerCase().replace(/\.$/, "")

/** The records to create, and what to know of them, for people. */
export const registrar = (wishes: Wishes): ReadonlyArray<string> => {
  const host = lower(wishes.hostname)
  const zone = lower(wishes.zone)
  const parent = zone.slice(zone.indexOf(".") + 1)
  const addresses = [
    ...wishes.ipv4.map((address) => `${host}.  3600  IN  A     ${address}`),
    ...wishes.ipv6.map((address) => `${host}.  3600  IN  AAAA  ${address}`)
  ]
  const known =
    addresses.length > 0
      ? addresses
      : [`${host}.  3600  IN  A     (this machine's public IPv4 address)`]
  const inside = isBelow(host, zone)
  const delegation = `${zone}.  3600  IN  NS    ${host}.`
  const certificate = [
    "",
    "For the certificate (ACME):",
    `  ${host} must resolve, and port 80 be reachable, before the proxy first starts.`,
    ...(inside
      ? ["  It resolves through this node only: start the node first, then the proxy."]
      : []),
    `  Optional: ${host}.  3600  IN  CAA   0 issue "letsencrypt.org"`,
    "",
    "Open in the firewall: 53/udp, 53/tcp, 80/tcp, 443/tcp, 443/udp."
  ]
  return inside
    ? [
        `At whoever serves ${parent} (the registrar, if that is where ${zone} was bought):`,
        `  ${delegation}`,
        "With glue, because the name server is inside the zone it serves (also called host or child name server):",
        ...known.map((line) => `  ${line}`),
        ...(host === zone
          ? []
          : [
              `The node must serve that address too: put it into a master file and name it in DMP_ZONE_FILE, or use ${zone} itself as host name.`
            ]),
        ...certificate
      ]
    : [
        `At whoever serves ${host.slice(host.indexOf(".") + 1)}:`,
        ...known.map((line) => `  ${line}`),
        `At whoever serves ${parent}:`,
        `  ${delegation}`,
        "No glue is needed: the name server is outside the zone it serves.",
        ...certificate
      ]
}

/** What to do now. */
export const next = (
  { starter, tokenFile }: Wishes,
  environmentPath: string
): ReadonlyArray<string> =>
  starter === "systemd"
    ? [
        "sudo systemctl enable --now dnsmesh-node",
        [
          "sudo systemd-run --pipe --wait --quiet --collect --unit=dnsmesh-tool -p User=dnsmesh",
          `-p EnvironmentFile=${environmentPath} -p LoadCredential=operator-token:${tokenFile}`,
          "-E DMP_OPERATOR_TOKEN_FILE=/run/credentials/dnsmesh-tool.service/operator-token",
          "-E DMP_DB_PATH=/var/lib/dmp/dmp.db dnsmesh-node doctor --resolver 9.9.9.9"
        ].join(" ")
      ]
    : starter === "compose"
      ? [
          "docker compose -f docker-compose.yml -f docker-compose.prod.yml up -d",
          "docker compose exec dnsmesh-node dnsmesh-node doctor --resolver 9.9.9.9"
        ]
      : [
          `set -a; . ${environmentPath}; set +a`,
          "dnsmesh-node serve",
          "dnsmesh-node doctor --resolver 9.9.9.9   # in another terminal, with the same settings"
        ]

/** Whether `text` is a host name that can be one here. */
export const isHostname = (text: string): boolean =>
  Name.parse(text)._tag === "Some" && text.includes(".")
