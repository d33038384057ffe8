/** What the running node says when it is asked on this machine. */
import { Effect, Option, Redacted } from "effect"
import type { NodeConfig } from "../../Settings.ts"
import * as DnsProbe from "./DnsProbe.ts"
import { type Finding, fail, ok, warn } from "./Finding.ts"
import * as HttpProbe from "./HttpProbe.ts"
import * as Local from "./Local.ts"

const start = "start it, or give this command the node's own settings"

/** The node's answer about its zone over one transport. */
const dns = (config: NodeConfig, transport: "udp" | "tcp"): Effect.Effect<Finding> => {
  const server = Local.dnsServer(config)
  const check = `dns-${transport}`
  const zone = Option.getOrUndefined(config.zone.servedZone)
  return DnsProbe.ask(server, transport, {
    name: zone ?? "invalid",
    type: "SOA",
    recurse: false
  }).pipe(
    Effect.match({
      onFailure: ({ message }) => fail(check, `${DnsProbe.show(server)}: ${message}`, start),
      onSuccess: ({ authoritative, rcode }) => {
        const said = `${DnsProbe.show(server)} answers ${rcode}`
        if (zone === undefined)
          return warn(check, `${said}, and serves no zone`, "set DMP_DOMAIN or DMP_NODE_HOSTNAME")
        return authoritative && rcode === "NOERROR"
          ? ok(check, `${said} for ${zone}, with authority`)
          : fail(check, `${said} for ${zone}, without authority`, "is another server on that port?")
      }
    })
  )
}

const readiness = (config: NodeConfig): Effect.Effect<Finding> => {
  const { host, port } = Local.httpServer(config)
  return HttpProbe.get({
    tls: false,
    address: host,
    port,
    host: "localhost",
    path: "/readyz"
  }).pipe(
    Effect.match({
      onFailure: ({ message }) =>
        fail("http", `${DnsProbe.show({ host, port })}: ${message}`, start),
      onSuccess: ({ body, status }) =>
        status === 200
          ? ok("http", `${DnsProbe.show({ host, port })} is ready: ${body}`)
          : fail("http", `not ready (${status}): ${body.slice(0, 500)}`, "docs/operations.md")
    })
  )
}

/** The node's metrics as it would give them to Prometheus, if this configuration's token opens them. */
export const metrics = (config: NodeConfig): Effect.Effect<Option.Option<string>> => {
  const { host, port } = Local.httpServer(config)
  const token = Option.map(config.auth.operatorToken, Redacted.value)
  return HttpProbe.get({
    tls: false,
    address: host,
    port,
    host: "localhost",
    path: "/metrics",
    ...(Option.isSome(token) ? { token: token.value } : {})
  }).pipe(
    Effect.map(({ body, status }) => (status === 200 ? Option.some(body) : Option.none())),
    Effect.orElseSucceed(() => Option.none())
  )
}

/** The sum of the series of a family whose labels contain `label`. */
export const total = (text: string, family: string, label = ""): number =>
  text
    .split("\n")
    .filter((line) => line.startsWith(`${family}{`) || line.startsWith(`${family} `))
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0)

const share = (part: number, whole: number) => `${part} of ${whole}`

/** Who is being turned away. */
const limits = (text: string): ReadonlyArray<Finding> => {
  const queries = total(text, "dmp_dns_queries_total")
  const limited = total(text, "dmp_dns_queries_total", 'outcome="rate_limited"')
  const requests = total(text, "dmp_http_requests_total")
  const refused = total(text, "dmp_http_requests_total", 'status="429"')
  const judge = (check: string, part: number, whole: number, remedy: string) =>
    part > 10 && part > whole / 100
      ? warn(check, `${share(part, whole)} since the start were over the limit`, remedy)
      : ok(check, `${share(part, whole)} since the start were over the limit`)
  return [
    judge("dns-limit", limited, queries, "if these are public resolvers, raise DMP_DNS_RATE"),
    judge(
      "http-limit",
      refused,
      requests,
      "if all clients share one address, a proxy is missing in DMP_TRUSTED_PROXIES; otherwise raise DMP_HTTP_RATE"
    )
  ]
}

/** A proxy that is not trusted makes all of its users one client. */
export const forwarding = (text: string): Finding => {
  const check = "proxy-trust"
  const seen = (peer: string) => total(text, "dmp_http_untrusted_forwards_total", `peer="${peer}"`)
  const requests = total(text, "dmp_http_requests_total")
  if (seen("private") > 0)
    return warn(
      check,
      `${share(seen("private"), requests)} requests name a client in X-Forwarded-For or X-Real-IP, from an address of a local network that is not trusted`,
      "if that is your proxy, its users share one rate limit: add its address to DMP_TRUSTED_PROXIES; the log's warning names the network"
    )
  // A few are strangers who try; many are a proxy elsewhere.
  return seen("public") > 10 && seen("public") > requests / 10
    ? warn(
        check,
        `${share(seen("public"), requests)} requests name a client in X-Forwarded-For or X-Real-IP, from public addresses that are not trusted`,
        "if they come from your proxy, add its address to DMP_TRUSTED_PROXIES; otherwise see that only the proxy reaches this port"
      )
    : ok(check, "no untrusted proxy speaks for clients")
}

const sameRelease = (text: string, build: { version: string; commit: string }): Finding => {
  const line = text.split("\n").find((entry) => entry.startsWith("dmp_build_info{")) ?? ""
  const running = /version="([^"]*)"/.exec(line)?.[1] ?? "unknown"
  return running === build.version
    ? ok("release", `the running node is release ${running}, like this command`)
    : warn("release", `the running node is release ${running}`, "restart it to run this one")
}

export const examine = (
  config: NodeConfig,
  build: { readonly version: string; readonly commit: string }
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const asked = yield* Effect.all([dns(config, "udp"), dns(config, "tcp"), readiness(config)], {
      concurrency: "unbounded"
    })
    if (asked[2].level === "fail") return asked
    const text = yield* metrics(config)
    return Option.isNone(text)
      ? [
          ...asked,
          warn(
            "metrics",
            "the node does not show its metrics to this configuration's token",
            "give this command the node's own DMP_OPERATOR_TOKEN"
          )
        ]
      : [...asked, sameRelease(text.value, build), ...limits(text.value), forwarding(text.value)]
  })
