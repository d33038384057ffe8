/** Settings that name places on a network: ports, addresses to bind, address ranges. */
import { Option } from "effect"
import { isIP, isIPv4, isIPv6 } from "node:net"
import { networkInterfaces } from "node:os"
import * as Setting from "./Setting.ts"
import { parseCidr } from "./TrustedProxies.ts"

/** A port to listen on; 0 lets the kernel choose. */
export const port = (
  name: string,
  options: Setting.Described & { readonly default: number }
): Setting.Setting<number> => ({
  ...Setting.integer(name, { ...options, min: 0, max: 65_535 }),
  accepts: "a port number from 0 to 65535"
})

const hostLabel = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i

/** An address literal (IPv6 also in brackets, which go), or a host name. */
export const parseHost = (text: string): Option.Option<string> => {
  const bare = /^\[(.*)\]$/.exec(text)?.[1]
  if (bare !== undefined) return isIPv6(bare) ? Option.some(bare.toLowerCase()) : Option.none()
  if (isIP(text) !== 0) return Option.some(text.toLowerCase())
  const labels = text.split(".")
  // A last label of digits alone would be read as a shortened IPv4 address, such as 0 or 127.1.
  return text.length <= 253 &&
    labels.every((label) => hostLabel.test(label)) &&
    !/^[0-9]+$/.test(labels.at(-1)!)
    ? Option.some(text.toLowerCase())
    : Option.none()
}

/** Every address of this machine: IPv4, and IPv6 where the kernel has it. */
export const everyAddress = (): ReadonlyArray<string> =>
  Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6"))
    ? ["0.0.0.0", "::"]
    : ["0.0.0.0"]

/** Addresses to listen on; unset means every address of the machine. */
export const bindHosts = (
  name: string,
  options: Setting.Described
): Setting.Setting<ReadonlyArray<string>> =>
  Setting.parsed<ReadonlyArray<string>>(name, {
    ...options,
    accepts: "comma-separated addresses or host names to listen on",
    defaultText: options.defaultText ?? "0.0.0.0",
    parse: (text) =>
      Option.filter(
        Option.all(
          text
            .split(",")
            .map((item) => item.trim())
            .filter((item) => item !== "")
            .map(parseHost)
        ),
        (hosts) => hosts.length > 0
      ).pipe(Option.map((hosts) => [...new Set(hosts)])),
    fallback: everyAddress
  })

/**
 * True unless only this machine can reach a listener on `host`. Whatever is not plainly
 * loopback counts as public: a wildcard, a mapped address, any host name but `localhost`.
 */
export const isPublicBind = (host: string): boolean => {
  const text = host.trim().toLowerCase()
  if (text === "localhost") return false
  if (isIPv4(text)) return !text.startsWith("127.")
  return !(isIPv6(text) && /^(?:0{1,4}:){7}0{0,3}1$|^::(?:0{1,4}:){0,6}0{0,3}1$/.test(text))
}

/** Address ranges in CIDR notation. */
export const cidrs = (
  name: string,
  options: Setting.Described & { readonly default: ReadonlyArray<string> }
): Setting.Setting<ReadonlyArray<string>> =>
  Setting.list(name, {
    ...options,
    items: "address ranges such as 10.0.0.0/8 or fd00::/8, or the word none",
    defaultText: options.defaultText ?? (options.default.join(",") || "(none)"),
    parseItem: (item) =>
      Option.map(parseCidr(item), ({ address, prefix }) => `${address}/${prefix}`),
    default: () => options.default
  })

/** Address literals of one family. */
export const addresses = (
  name: string,
  options: Setting.Described & { readonly family: 4 | 6 }
): Setting.Setting<ReadonlyArray<string>> =>
  Setting.list(name, {
    ...options,
    items: `IPv${options.family} addresses`,
    parseItem: (item) =>
      isIP(item) === options.family && !item.includes("%")
        ? Option.some(item.toLowerCase())
        : Option.none()
  })
