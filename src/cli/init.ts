/** `dnsmesh-node init`: settings, a token and a list of DNS records for a node yet to be started. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Prompt from "@effect/cli/Prompt"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Console, Effect, Option } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { mkdir, open } from "node:fs/promises"
import { isIPv4, isIPv6 } from "node:net"
import { dirname, join, resolve } from "node:path"
import * as SecureRandom from "../runtime/SecureRandom.ts"
import { loadConfig } from "../Settings.ts"
import { attempt, refuse } from "../sql/BackupError.ts"
import * as FirstSteps from "./FirstSteps.ts"

const starters = ["systemd", "compose", "shell"] as const
const modes = ["multi-tenant", "legacy", "open"] as const

const option = (name: string, about: string) =>
  Options.text(name).pipe(Options.withDescription(about), Options.optional)

const options = {
  starter: Options.choice("for", starters).pipe(
    Options.withDescription("Who starts the node"),
    Options.optional
  ),
  hostname: option("hostname", "Public host name of the node, such as dmp.example.com"),
  zone: option("zone", "Zone to serve, such as mesh.example.com"),
  mode: Options.choice("mode", modes).pipe(
    Options.withDescription("Who may write: users with tokens, the operator, anybody"),
    Options.optional
  ),
  directory: option("directory", "Where data goes, for --for shell"),
  config: option("config", "Where settings go; systemd: /etc/dnsmesh, otherwise: here"),
  address: Options.text("address").pipe(
    Options.withDescription("Public IPv4 or IPv6 address of this machine; may be repeated"),
    Options.repeated
  )
}

/** The option, or the answer to a question where there is somebody to ask. */
const orAsk = <A, B>(given: Option.Option<A>, flag: string, prompt: Prompt.Prompt<B>) =>
  Option.isSome(given)
    ? Effect.succeed(given.value)
    : process.stdin.isTTY
      ? Prompt.run(prompt)
      : refuse(`--${flag} is missing, and there is no terminal to ask on`)

const hostnamePrompt = (message: string) =>
  Prompt.text({
    message,
    validate: (text) =>
      FirstSteps.isHostname(text)
        ? Effect.succeed(text)
        : Effect.fail("a name such as dmp.example.com")
  })

/** Creates a file for its owner alone; never touches one that is there. */
const create = (file: string, text: string) =>
  attempt(`create ${file}`, async () => {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const handle = await open(file, "wx", 0o600)
    await handle.writeFile(text).finally(() => handle.close())
  })

const paths = (starter: FirstSteps.Starter, config: Option.Option<string>) => {
  const folder = resolve(
    Option.getOrElse(config, () => (starter === "systemd" ? "/etc/dnsmesh" : "."))
  )
  return {
    environment: join(folder, starter === "compose" ? ".env" : "node.env"),
    token: join(folder, "operator-token")
  }
}

export const init = Command.make("init", options, (given) =>
  Effect.gen(function* () {
    const starter = yield* orAsk(
      given.starter,
      "for",
      Prompt.select({
        message: "Who starts the node?",
        choices: starters.map((value) => ({ title: value, value }))
      })
    )
    const files = paths(starter, given.config)
    if (existsSync(files.environment))
      return yield* refuse(`${files.environment} exists and is left as it is; edit or move it`)
    const hostname = yield* orAsk(given.hostname, "hostname", hostnamePrompt("Public host name"))
    const zone = yield* orAsk(given.zone, "zone", hostnamePrompt("Zone to serve"))
    for (const name of [hostname, zone])
      if (!FirstSteps.isHostname(name))
        return yield* refuse(`${JSON.stringify(name)} is no host name`)
    const mode = yield* orAsk(
      given.mode,
      "mode",
      Prompt.select({
        message: "Who may write?",
        choices: [
          {
            title: "users with tokens of their own (multi-tenant)",
            value: "multi-tenant" as const
          },
          { title: "the operator (legacy)", value: "legacy" as const },
          { title: "anybody on this machine (open)", value: "open" as const }
        ]
      })
    )
    const directory = resolve(
      starter === "shell"
        ? yield* orAsk(
            given.directory,
            "directory",
            Prompt.text({ message: "Directory for data", default: resolve("data") })
          )
        : "/var/lib/dmp"
    )
    const stranger = given.address.find((address) => !isIPv4(address) && !isIPv6(address))
    if (stranger !== undefined) return yield* refuse(`${JSON.stringify(stranger)} is no IP address`)
    const wishes: FirstSteps.Wishes = {
      starter,
      hostname,
      zone,
      mode,
      directory,
      ipv4: given.address.filter((address) => isIPv4(address)),
      ipv6: given.address.filter((address) => isIPv6(address)),
      tokenFile: files.token
    }

    // A token that was made before stays: others may know it by now.
    const kept = existsSync(files.token)
    const token = kept
      ? (yield* attempt(`read ${files.token}`, async () =>
          readFileSync(files.token, "utf8")
        )).trim()
      : yield* SecureRandom.token
    // Whatever the node would refuse at its start is refused now, before anything is written.
    const { DMP_OPERATOR_TOKEN_FILE: _, ...settings } = FirstSteps.environment(wishes, token)
    yield* loadConfig({ ...settings, DMP_OPERATOR_TOKEN: token }, { mayCreate: false }).pipe(
      Effect.provide(NodeFileSystem.layer)
    )

    if (starter !== "compose" && !kept) yield* create(files.token, `${token}\n`)
    yield* create(files.environment, FirstSteps.environmentFile(wishes, token))
    yield* Console.log(
      [
        `Wrote ${files.environment}`,
        starter === "compose"
          ? "The operator token is in it (DMP_OPERATOR_TOKEN)."
          : `The operator token is in ${files.token}${kept ? ", as it was before" : ""}.`,
        "",
        ...FirstSteps.registrar(wishes),
        "",
        "Then:",
        ...FirstSteps.next(wishes, files.environment).map((line) => `  ${line}`)
      ].join("\n")
    )
  })
).pipe(
  Command.withDescription("Write settings and a token for a new node, and list its DNS records")
)
