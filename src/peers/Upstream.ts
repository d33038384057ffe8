/** A DNS server that discovery asks, as the settings name it. */
import { Option } from "effect"
import { isIP } from "node:net"
import * as Name from "../wire/Name.ts"

export interface Upstream {
  /** An address. */
  readonly host: string
  readonly port: number
  /** Set for DNS over TLS (RFC 7858): what the server's certificate must name. */
  readonly tls?: {
    /** The address itself when undefined. */
    readonly name: string | undefined
  }
}

const plain = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?$/i
const dnsPort = 53
const tlsPort = 853

const at = (text: string, usualPort: number): Option.Option<Upstream> => {
  if (isIP(text) !== 0) return Option.some({ host: text, port: usualPort })
  const [, six, four, digits] = plain.exec(text) ?? []
  const host = six ?? four ?? ""
  const port = Number(digits ?? usualPort)
  return (six === undefined ? isIP(host) === 4 : isIP(host) === 6) && port >= 1 && port <= 65_535
    ? Option.some({ host, port })
    : Option.none()
}

/** A host name as certificates have it: no address in disguise, no empty label. */
const certificateName = (text: string): Option.Option<string> =>
  Option.filter(
    Option.map(Name.parse(text), (name): string => name),
    (name) => /^[a-z0-9.-]+$/.test(name) && !/(?:^|\.)[0-9]+$/.test(name)
  )

/**
 * `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1`, `[2001:db8::1]:53`; with `tls://` before it, DNS
 * over TLS, the certificate checked against the address or against the name after a `#`.
 */
export const parse = (text: string): Option.Option<Upstream> => {
  if (!/^tls:\/\//i.test(text)) return at(text, dnsPort)
  const [address = "", name, ...rest] = text.slice("tls://".length).split("#")
  const server = at(address, tlsPort)
  if (rest.length > 0) return Option.none()
  if (name === undefined)
    return Option.map(server, (upstream) => ({ ...upstream, tls: { name: undefined } }))
  return Option.zipWith(server, certificateName(name), (upstream, named) => ({
    ...upstream,
    tls: { name: named }
  }))
}
