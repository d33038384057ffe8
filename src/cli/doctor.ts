/** `dnsmesh-node doctor`: is everything in order, and if not, what to do. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Console, Data, Effect, Either, Option } from "effect"
import { getServers } from "node:dns"
import { readFile } from "node:fs/promises"
import { isIP } from "node:net"
import { all, loadConfig } from "../Settings.ts"
import { refuse } from "../sql/BackupError.ts"
import { secretFiles } from "../sql/DataFiles.ts"
import { build } from "../Version.ts"
import type { Server } from "./doctor/DnsProbe.ts"
import { exposure } from "./doctor/Exposure.ts"
import { asText, fail, type Finding, ok, unknown, warn } from "./doctor/Finding.ts"
import * as Hardening from "./doctor/Hardening.ts"
import * as Machine from "./doctor/Machine.ts"
import * as Outside from "./doctor/Outside.ts"
import * as RunningNode from "./doctor/RunningNode.ts"
import * as FirstSteps from "./FirstSteps.ts"
import { startWarnings } from "./StartWarnings.ts"

/** Something fails; what, has been printed. */
export class Unwell extends Data.TaggedError("Unwell")<{ readonly message: string }> {}

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const resolver = Options.text("resolver").pipe(
  Options.withDescription("Address of a resolver (IP or IP:port) to look at the node from outside"),
  Options.optional
)
const ca = Options.file("ca", { exists: "yes" }).pipe(
  Options.withDescription(
    "PEM file of an authority of your own to believe besides the public ones"
  ),
  Options.optional
)
const outside = Options.text("outside").pipe(
  Options.withPseudoName("HOSTNAME"),
  Options.withDescription(
    "Look only from outside at the node of this public name; needs no settings, so it runs anywhere"
  ),
  Options.optional
)
const zone = Options.text("zone").pipe(
  Options.withDescription("With --outside: a zone the node serves; may be repeated"),
  Options.repeated
)
const hardening = Options.boolean("hardening").pipe(
  Options.withDescription("Go through the hardening checklist as well")
)

/** `1.1.1.1`, `1.1.1.1:5353`, `::1` or `[::1]:5353`. */
export const parseResolver = (text: string): Option.Option<Server> => {
  const bracketed = /^\[([^\]]+)\](?::([0-9]{1,5}))?$/.exec(text)
  const [, host = text, port = "53"] =
    bracketed ?? (isIP(text) === 0 ? (/^([^:]+)(?::([0-9]{1,5}))?$/.exec(text) ?? []) : [])
  return isIP(host) !== 0 && Number(port) >= 1 && Number(port) <= 65_535
    ? Option.some({ host, port: Number(port) })
    : Option.none()
}

const examine = (options: {
  readonly resolver: Option.Option<Server>
  readonly authorities: ReadonlyArray<string>
  readonly hardening: boolean
}) =>
  Effect.gen(function* () {
    const always = [Machine.version(build), yield* Machine.clock]
    const loaded = yield* Effect.either(
      loadConfig(process.env, { mayCreate: false }).pipe(Effect.provide(NodeFileSystem.layer))
    )
    if (Either.isLeft(loaded))
      return [
        ...always,
        ...loaded.left.mistakes.map(({ problem, variable }) =>
          fail("config", `${variable}: ${problem}`, "docs/configuration.md")
        )
      ]
    const { config, notices } = loaded.right
    const secrets = secretFiles(process.env, all)
    const configured: ReadonlyArray<Finding> = [
      ...notices
        .filter(({ level }) => level === "WARNING")
        .map(({ message }) => warn("config", message, "docs/configuration.md")),
      ...startWarnings(config).map((message) => warn("config", message, "docs/production.md"))
    ]
    const running = yield* RunningNode.examine(config, build)
    const answering = running.some(({ check, level }) => check === "dns-udp" && level !== "fail")
    const outside = yield* Option.match(options.resolver, {
      onNone: () => Effect.succeed<ReadonlyArray<Finding>>([]),
      onSome: (server) =>
        Outside.examine(config.zone, {
          resolver: server,
          dnsPort: 53,
          httpsPort: 443,
          authorities: options.authorities
        })
    })
    const hardened = options.hardening
      ? yield* Effect.flatMap(RunningNode.metrics(config), (metrics) =>
          Hardening.examine(config, metrics)
        )
      : []
    return [
      ...always,
      ...(configured.length > 0 ? configured : [ok("config", "valid, and nothing to warn of")]),
      yield* Machine.disk(config),
      ...(yield* Machine.permissions(config, secrets)),
      yield* Machine.backups(config),
      ...running,
      ...(yield* Machine.portConflict(config, answering)),
      ...outside,
      ...hardened
    ]
  })

/** The resolver that this machine asks. */
const ownResolver = Option.flatMap(Option.fromNullable(getServers()[0]), parseResolver)

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, "")

/** A node that may be anybody's, from a machine that knows nothing of it. */
const lookFromOutside = (options: {
  readonly hostname: string
  readonly zones: ReadonlyArray<string>
  readonly resolver: Option.Option<Server>
  readonly authorities: ReadonlyArray<string>
}) =>
  Effect.gen(function* () {
    const { authorities, hostname, zones } = options
    for (const name of [hostname, ...zones])
      if (!FirstSteps.isHostname(name))
        return yield* refuse(`${JSON.stringify(name)} is no host name`)
    const asked = Option.orElse(options.resolver, () => ownResolver)
    if (Option.isNone(asked))
      return yield* refuse("this machine has no resolver; name one with --resolver")
    const world = { resolver: asked.value, dnsPort: 53, httpsPort: 443, authorities }
    const seen = yield* Outside.examine({ zones, nodeHostname: Option.some(hostname) }, world)
    return [
      ...(zones.length > 0
        ? []
        : [unknown("delegation", "no zone was asked for", "name the node's zones with --zone")]),
      ...seen,
      ...(yield* exposure(world, 8053, hostname))
    ]
  })

const commands = { ca, hardening, json, outside, resolver, zone }

export const doctor = Command.make("doctor", commands, (given) =>
  Effect.gen(function* () {
    const server = Option.flatMap(given.resolver, parseResolver)
    if (Option.isNone(given.outside) && given.zone.length > 0)
      return yield* refuse("--zone goes with --outside; otherwise the settings name the zones")
    if (Option.isSome(given.outside) && given.hardening)
      return yield* refuse("--hardening looks at a node's settings: leave --outside away")
    if (Option.isSome(given.resolver) && Option.isNone(server))
      return yield* refuse(
        `--resolver takes an IP address, not ${JSON.stringify(given.resolver.value)}`
      )
    const authorities = yield* Effect.forEach(Option.toArray(given.ca), (file) =>
      Effect.tryPromise({
        try: () => readFile(file, "utf8"),
        catch: (error) => new Unwell({ message: `--ca: ${String(error)}` })
      })
    )
    const findings = yield* Option.match(given.outside, {
      onNone: () => examine({ resolver: server, authorities, hardening: given.hardening }),
      onSome: (hostname) =>
        lookFromOutside({
          hostname: bare(hostname),
          zones: given.zone.map(bare),
          resolver: server,
          authorities
        })
    })
    const count = (level: Finding["level"]) =>
      findings.filter((finding) => finding.level === level).length
    yield* Console.log(given.json ? JSON.stringify({ findings }, null, 2) : asText(findings))
    const summary = `${count("fail")} failures, ${count("warn")} warnings`
    if (count("fail") > 0) return yield* new Unwell({ message: summary })
    yield* Console.error(`dnsmesh-node: ${summary}`)
  })
).pipe(
  Command.withDescription(
    "Look at node and machine, and say how to mend what is wrong; exit 1 on failures"
  )
)
