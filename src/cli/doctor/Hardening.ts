/** The hardening checklist of docs/production.md, item by item. */
import { Effect, Option } from "effect"
import { readFile } from "node:fs/promises"
import { dirname } from "node:path"
import { isInCluster, type PeersConfigShape } from "../../peers/PeersConfig.ts"
import { isPublicBind } from "../../runtime/NetworkSetting.ts"
import type { NodeConfig } from "../../Settings.ts"
import { type Finding, fail, ok, unknown, warn } from "./Finding.ts"
import { total } from "./RunningNode.ts"

/** The file system `path` is on, by the longest mount point above it. */
const mountOf = (mounts: string, path: string): string =>
  mounts
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, point = ""]) => point === "/" || path === point || path.startsWith(`${point}/`))
    .sort(([, a = ""], [, b = ""]) => a.length - b.length)
    .at(-1)?.[2] ?? ""

/** Pure, for tests: `mounts` is /proc/mounts, `metrics` the node's, `uid` this process's user. */
export const checklist = (
  config: NodeConfig,
  facts: {
    readonly mounts: string
    readonly metrics: Option.Option<string>
    readonly uid: number | undefined
  }
): ReadonlyArray<Finding> => {
  const { auth, http, log, store, zone } = config
  const open = http.hosts.find(isPublicBind)
  const fileSystem = mountOf(facts.mounts, dirname(store.dbPath))
  const scraped = Option.map(facts.metrics, (text) =>
    total(text, "dmp_http_request_duration_seconds_count", '"/metrics"')
  )
  return [
    open === undefined
      ? ok("tls-in-front", "plain HTTP is on this machine alone")
      : Option.isSome(zone.nodeHostname)
        ? unknown(
            "tls-in-front",
            `plain HTTP listens on ${open}`,
            `see that only the proxy reaches port ${http.port}: nothing answers on http://${zone.nodeHostname.value}:${http.port} from elsewhere`
          )
        : warn(
            "tls-in-front",
            `plain HTTP listens on ${open}, and no public name is set`,
            "put a proxy with TLS in front (docs/production.md), or set DMP_HTTP_HOST=127.0.0.1"
          ),
    Option.isSome(auth.operatorToken)
      ? ok("operator-token", `set; ${auth.mode} mode`)
      : fail(
          "operator-token",
          "none: everybody may publish and read the metrics",
          "set DMP_OPERATOR_TOKEN_FILE"
        ),
    auth.mode === "multi-tenant"
      ? ok("users-apart", "every user has a token of their own")
      : warn(
          "users-apart",
          `${auth.mode} mode`,
          "DMP_AUTH_MODE=multi-tenant where more than you publish"
        ),
    /^(overlay|tmpfs|aufs)$/.test(fileSystem)
      ? fail(
          "persistent-volume",
          `${dirname(store.dbPath)} is on ${fileSystem}: it goes with the container`,
          "mount a volume there"
        )
      : fileSystem === ""
        ? unknown(
            "persistent-volume",
            "mounts are not seen from here",
            `df ${dirname(store.dbPath)}`
          )
        : ok("persistent-volume", `${dirname(store.dbPath)} is on ${fileSystem}`),
    unknown(
      "liveness-probe",
      "whether an orchestrator asks /health is not seen from here",
      "docker inspect -f '{{.State.Health.Status}}' dnsmesh-node; under systemd the watchdog does it"
    ),
    Option.match(scraped, {
      onNone: () =>
        unknown(
          "metrics-scraped",
          "the node does not show its metrics here",
          "run it beside the node"
        ),
      onSome: (count) =>
        // This command asks too, once or twice.
        count > 5
          ? ok("metrics-scraped", `/metrics was read ${count} times since the start`)
          : warn("metrics-scraped", "/metrics is hardly ever read", "docs/production.md, Metrics")
    }),
    unknown(
      "firewall",
      "a firewall is not seen from inside",
      "let in 53/udp, 53/tcp, 80/tcp, 443/tcp, 443/udp and nothing else"
    ),
    unknown(
      "backup-elsewhere",
      "whether backups leave this host is not seen from here",
      "docs/backup.md: restic or rclone; rehearse a restore"
    ),
    log.format === "json"
      ? ok("log-format", "one JSON object a line")
      : warn("log-format", "lines of text", "DMP_LOG_FORMAT=json where logs are collected"),
    facts.uid === 0
      ? warn(
          "unprivileged",
          "this command runs as root; see that the node does not",
          "User= in the unit, uid 999 in the image"
        )
      : ok("unprivileged", "not root"),
    auth.recordValidation === "off"
      ? warn(
          "record-validation",
          "signed records are stored unread",
          "DMP_RECORD_VALIDATION=known-types"
        )
      : ok("record-validation", auth.recordValidation),
    http.rate === 0 || http.burst === 0 || config.dns.rate === 0 || config.dns.burst === 0
      ? warn(
          "rate-limits",
          "a limit is lifted",
          "give DMP_DNS_RATE and DMP_HTTP_RATE values above 0"
        )
      : ok("rate-limits", `DNS ${config.dns.rate}/s, HTTP ${http.rate}/s a source`),
    ...(isInCluster(config.peers) ? [clusterProof(config.peers)] : [])
  ]
}

/** How the nodes of a cluster know each other. */
const clusterProof = ({ nodeIdentity, peerTokens, syncAuth }: PeersConfigShape): Finding => {
  if (Option.isSome(nodeIdentity))
    return syncAuth === "signed"
      ? ok("cluster-proof", "nodes sign, and no token opens the sync routes")
      : warn(
          "cluster-proof",
          `DMP_SYNC_AUTH=${syncAuth}: tokens open the sync routes as well`,
          "DMP_SYNC_AUTH=signed once /v1/sync/status lists signatures alone"
        )
  return peerTokens.length > 0
    ? ok("cluster-proof", "peers have tokens of their own")
    : warn(
        "cluster-proof",
        "all nodes share one token, which a node that leaves still knows",
        "dnsmesh-node cluster certify (docs/cluster.md), or DMP_SYNC_PEER_TOKENS"
      )
}

export const examine = (
  config: NodeConfig,
  metrics: Option.Option<string>
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.map(
    Effect.orElseSucceed(
      Effect.tryPromise(() => readFile("/proc/mounts", "utf8")),
      () => ""
    ),
    (mounts) => checklist(config, { mounts, metrics, uid: process.getuid?.() })
  )
