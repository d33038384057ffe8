/** Where the DNS door listens and how much it takes in. */
import { Config, Context, Either, Layer, Option, Redacted } from "effect"
import * as NetworkSetting from "../runtime/NetworkSetting.ts"
import * as Setting from "../runtime/Setting.ts"
import type { TlsFiles } from "./TlsIdentity.ts"

// It has to fit a character-string, and a small datagram beside everything else.
const shortText = {
  accepts: "printable ASCII text of at most 100 characters",
  parse: Option.liftPredicate((text: string) => /^[\x20-\x7e]{1,100}$/.test(text))
}

const count = { min: 1, max: 1_000_000 }

export const settings = {
  hosts: NetworkSetting.bindHosts("DMP_DNS_HOST", {
    about:
      "Addresses on which DNS listens, UDP and TCP. Unset, IPv6 is listened on as well where the kernel has it."
  }),
  port: NetworkSetting.port("DMP_DNS_PORT", { about: "Port of DNS, UDP and TCP.", default: 5353 }),
  rate: Setting.number("DMP_DNS_RATE", {
    about:
      "Queries per second and source address, twenty times as many from one with a valid DNS cookie; 0 lifts the limit.",
    min: 0,
    max: 1_000_000,
    default: 50
  }),
  burst: Setting.number("DMP_DNS_BURST", {
    about:
      "Queries a source address may send at once, twenty times as many with a valid DNS cookie; 0 lifts the limit.",
    min: 0,
    max: 1_000_000,
    default: 200
  }),
  rateExempt: NetworkSetting.cidrs("DMP_DNS_RATE_EXEMPT", {
    about: "Address ranges that DMP_DNS_RATE does not hold for, such as those of large resolvers.",
    default: []
  }),
  cookieSecrets: Setting.optional("DMP_DNS_COOKIE_SECRET", {
    secret: true,
    about:
      "Secret behind DNS Cookies, the same on every node that answers on one address. To replace it, put the new one first and leave the old one behind it for an hour.",
    defaultText: "(random, new at each start)",
    accepts: "32 hexadecimal digits, or several such secrets with commas between them",
    parse: (text) => {
      const secrets = text.split(",").map((secret) => secret.trim())
      return secrets.every((secret) => /^[0-9a-f]{32}$/i.test(secret))
        ? Option.some(secrets.map((secret) => Redacted.make(secret)))
        : Option.none()
    }
  }),
  nsid: Setting.optional("DMP_DNS_NSID", {
    about:
      "Name of this server among those that share its address, told to who asks by NSID or for id.server in class CH.",
    ...shortText
  }),
  version: Setting.optional("DMP_DNS_VERSION", {
    about: "What version.bind in class CH is told; unset, the question is refused.",
    ...shortText
  }),
  tlsCertificate: Setting.optionalPath("DMP_DNS_TLS_CERT", {
    about:
      "Certificate chain for DNS over TLS, PEM. With it and DMP_DNS_TLS_KEY the node answers there too; renewed files are noticed."
  }),
  tlsKey: Setting.optionalPath("DMP_DNS_TLS_KEY", {
    about: "Private key of DMP_DNS_TLS_CERT, PEM."
  }),
  tlsPort: NetworkSetting.port("DMP_DNS_TLS_PORT", {
    about: "Port of DNS over TLS.",
    default: 853
  }),
  workers: Setting.integer("DMP_DNS_WORKERS", {
    about:
      "Threads that answer over UDP, one of them the main one, from the same memory. Each gets its share of DMP_DNS_RATE and DMP_DNS_BURST.",
    min: 1,
    max: 64,
    default: 1
  }),
  maxConcurrency: Setting.integer("DMP_DNS_MAX_CONCURRENCY", {
    ...count,
    about: "Messages being worked on at once, UDP and TCP together; more are shed and counted.",
    default: 128
  }),
  udpPayload: Setting.integer("DMP_DNS_UDP_PAYLOAD", {
    about: "Largest UDP answer in bytes, whatever the client offers; longer ones go over TCP.",
    min: 512,
    max: 4096,
    default: 1232
  }),
  maxTcpConnections: Setting.optional("DMP_DNS_MAX_TCP_CONNECTIONS", {
    about: "Open DNS connections, all sources together.",
    defaultText: "(8 × DMP_DNS_MAX_CONCURRENCY, at least 256)",
    accepts: "a whole number from 1 to 1000000",
    parse: (text) =>
      /^[0-9]{1,7}$/.test(text) && Number(text) >= 1 && Number(text) <= 1_000_000
        ? Option.some(Number(text))
        : Option.none()
  }),
  maxTcpPerSource: Setting.integer("DMP_DNS_MAX_TCP_PER_SOURCE", {
    ...count,
    about: "Open DNS connections of one source address.",
    default: 64
  }),
  tcpIdleTimeout: Setting.seconds("DMP_DNS_TCP_IDLE_TIMEOUT", {
    about: "Seconds after which a DNS connection without a query is closed.",
    min: 0.1,
    max: 3600,
    default: 10
  }),
  tcpMessageTimeout: Setting.seconds("DMP_DNS_TCP_MESSAGE_TIMEOUT", {
    about: "Seconds a client has to send one whole message, or to take in one answer, over TCP.",
    min: 0.1,
    max: 3600,
    default: 10
  })
}

export interface DnsConfigShape {
  readonly hosts: ReadonlyArray<string>
  readonly port: number
  /** Tokens per second and source; 0 lifts the limit. */
  readonly rate: number
  readonly burst: number
  /** CIDRs. */
  readonly rateExempt: ReadonlyArray<string>
  /** 32 hexadecimal digits each, the one to make cookies with first; none: a random one. */
  readonly cookieSecrets: ReadonlyArray<Redacted.Redacted<string>>
  readonly nsid: Option.Option<string>
  readonly version: Option.Option<string>
  /** Paths; without them there is no DNS over TLS. */
  readonly tls?: Option.Option<TlsFiles>
  readonly tlsPort?: number
  /** Threads that answer over UDP; 1 is the main thread alone. */
  readonly workers: number
  readonly maxConcurrency: number
  /** Octets. */
  readonly udpPayload: number
  readonly maxTcpConnections: number
  readonly maxTcpPerSource: number
  /** Seconds. */
  readonly tcpIdleTimeout: number
  /** Seconds. */
  readonly tcpMessageTimeout: number
}

export const config: Config.Config<DnsConfigShape> = Setting.all(settings).pipe(
  Config.mapOrFail(({ tlsCertificate, tlsKey, ...read }) =>
    Option.isSome(tlsCertificate) === Option.isSome(tlsKey)
      ? Either.right({ ...read, tls: Option.all({ certificate: tlsCertificate, key: tlsKey }) })
      : Either.left(
          Setting.mistake("DMP_DNS_TLS_CERT", "needs DMP_DNS_TLS_KEY beside it, or neither")
        )
  ),
  Config.map((read) => ({
    ...read,
    cookieSecrets: Option.getOrElse(read.cookieSecrets, () => []),
    maxTcpConnections: Option.getOrElse(read.maxTcpConnections, () =>
      Math.max(8 * read.maxConcurrency, 256)
    )
  }))
)

export class DnsConfig extends Context.Tag("dnsmesh/dns/DnsConfig")<DnsConfig, DnsConfigShape>() {
  static readonly layer = Layer.effect(DnsConfig, config)
}
