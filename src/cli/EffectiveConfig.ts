/**
 * The configuration as it took effect, for `check-config` and the start-up line.
 * Invariant: a secret is shown as set or not, never by any part of its value.
 */
import { Option } from "effect"
import { type Environment, usedName } from "../runtime/Environment.ts"
import { areas, type LoadedConfig, type NodeConfig } from "../Settings.ts"

export interface EffectiveSetting {
  readonly area: string
  readonly name: string
  readonly value: string
  /** The variable it came from, or `default`. */
  readonly source: string
}

const hidden = "(set, hidden)"

/** Every setting with its value as text, in the order of the reference page. */
export const effective = (environment: Environment): ReadonlyArray<EffectiveSetting> =>
  areas.flatMap(({ title, settings }) =>
    Object.values(settings).map((setting) => {
      const source = usedName(environment, setting)
      const value =
        source === undefined
          ? setting.defaultText
          : setting.secret
            ? hidden
            : (environment[source] ?? "").trim()
      return { area: title, name: setting.name, value, source: source ?? "default" }
    })
  )

const hostPort = (hosts: ReadonlyArray<string>, port: number): string =>
  hosts.map((host) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)).join(",")

/** What follows from the settings rather than standing in one of them. */
export const derived = (config: NodeConfig): Readonly<Record<string, string>> => ({
  auth_mode: config.auth.mode,
  auth_mode_from: config.auth.modeDerived ? "operator token" : "DMP_AUTH_MODE",
  operator_token: Option.isSome(config.auth.operatorToken) ? "set" : "none",
  record_validation: config.auth.recordValidation,
  served_zone: Option.getOrElse(config.zone.servedZone, () => "none"),
  zones: config.zone.zones.join(",") || "none",
  dns: hostPort(config.dns.hosts, config.dns.port),
  http: hostPort(config.http.hosts, config.http.port),
  trusted_proxies: config.http.trustedProxies.join(",") || "none",
  db: config.store.dbPath,
  log: `${config.log.level}/${config.log.format}`,
  tracing: Option.match(config.tracing.endpoint, {
    onNone: () => "off",
    onSome: ({ href }) => href
  })
})

const plain = /^[\x21\x23-\x7e]+$/
const pair = (name: string, value: string): string =>
  `${name}=${plain.test(value) ? value : JSON.stringify(value)}`

/** The one line about the settings a node logs at its start. */
export const startLine = ({ config, environment }: LoadedConfig): string => {
  const facts = Object.entries(derived(config)).map(([name, value]) => pair(name, value))
  const set = effective(environment)
    .filter(({ source }) => source !== "default")
    .map(({ name, value }) => pair(name, value))
  return `effective settings: ${[...facts, ...set].join(" ")}`
}

/** For people: areas, then what follows from them. */
export const asText = ({ config, environment }: LoadedConfig): string => {
  const settings = effective(environment)
  const width = Math.max(...settings.map(({ name }) => name.length))
  const blocks = areas.map(({ title }) =>
    [
      `# ${title}`,
      ...settings
        .filter(({ area }) => area === title)
        .map(({ name, value, source }) => {
          const from = source === "default" || source === name ? "" : `  (from ${source})`
          const mark = source === "default" ? "" : " *"
          return `${name.padEnd(width)}  ${value}${mark}${from}`
        })
    ].join("\n")
  )
  const facts = Object.entries(derived(config)).map(
    ([name, value]) => `${name.padEnd(width)}  ${value}`
  )
  return `${[...blocks, ["# In effect (* above: not the default)", ...facts].join("\n")].join("\n\n")}\n`
}

/** For programs. */
export const asJson = ({ config, environment, notices }: LoadedConfig): string =>
  `${JSON.stringify({ settings: effective(environment), effective: derived(config), notices }, null, 2)}\n`
