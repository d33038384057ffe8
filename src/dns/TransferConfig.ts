/** Who may transfer the zones, and who is told when they change. */
import { isIPv6 } from "node:net"
import { Config, Context, Either, Layer, Option, Redacted } from "effect"
import * as NetworkSetting from "../runtime/NetworkSetting.ts"
import * as Setting from "../runtime/Setting.ts"
import { makeKey, type Key } from "../wire/Tsig.ts"

export interface NotifyTarget {
  readonly address: string
  readonly port: number
}

const parseTarget = (text: string): Option.Option<NotifyTarget> => {
  const [, bracketed, plain, port = "53"] =
    /^(?:\[([^\]]+)\]|([^:]+|[^:]*:[^:]*:[^\]]*?))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain ?? ""
  return NetworkSetting.parseHost(bracketed === undefined && isIPv6(text) ? text : host).pipe(
    Option.filter(() => Number(port) > 0 && Number(port) < 65_536),
    Option.map((address) => ({
      address,
      port: bracketed === undefined && isIPv6(text) ? 53 : Number(port)
    }))
  )
}

const parseKey = (text: string): Option.Option<Key> => {
  const [algorithm = "", name = "", secret = "", ...rest] = text.split(":")
  return rest.length > 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(secret)
    ? Option.none()
    : Either.getRight(makeKey(name, algorithm, Buffer.from(secret, "base64")))
}

export const settings = {
  allow: NetworkSetting.cidrs("DMP_XFR_ALLOW", {
    about: "Addresses that may transfer the zones (AXFR and IXFR over TCP).",
    default: []
  }),
  key: Setting.secret("DMP_XFR_TSIG", {
    about:
      "TSIG key that transfers must be signed with and that NOTIFY is signed with. Without DMP_XFR_ALLOW it admits from any address.",
    accepts: "algorithm:name:base64 secret, such as hmac-sha256:xfr.example.org:c2VjcmV0",
    parse: (text) => Option.as(parseKey(text), text)
  }),
  notify: Setting.list("DMP_XFR_NOTIFY", {
    about: "Secondaries that are told with NOTIFY when a zone has changed.",
    items: "addresses, each with an optional port, such as 192.0.2.7 or [2001:db8::7]:5353",
    parseItem: parseTarget
  })
}

export interface TransferConfigShape {
  /** CIDRs. */
  readonly allow: ReadonlyArray<string>
  readonly key: Option.Option<Key>
  readonly notify: ReadonlyArray<NotifyTarget>
}

export const config: Config.Config<TransferConfigShape> = Setting.all(settings).pipe(
  Config.map((read) => ({
    ...read,
    key: Option.flatMap(read.key, (text) => parseKey(Redacted.value(text)))
  }))
)

export class TransferConfig extends Context.Tag("dnsmesh/dns/TransferConfig")<
  TransferConfig,
  TransferConfigShape
>() {
  static readonly layer = Layer.effect(TransferConfig, config)
}
