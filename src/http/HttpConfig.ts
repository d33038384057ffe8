/** Where the HTTP door listens, how much it takes in, and whose word on addresses it believes. */
import { type Config, Context, Layer } from "effect"
import * as NetworkSetting from "../runtime/NetworkSetting.ts"
import * as Setting from "../runtime/Setting.ts"

const count = { min: 1, max: 1_000_000 }
const timeout = { min: 0.1, max: 3600 }

export const settings = {
  hosts: NetworkSetting.bindHosts("DMP_HTTP_HOST", {
    about:
      "Addresses on which HTTP listens. Unset, IPv6 is listened on as well where the kernel has it."
  }),
  port: NetworkSetting.port("DMP_HTTP_PORT", { about: "Port of HTTP.", default: 8053 }),
  rate: Setting.number("DMP_HTTP_RATE", {
    about: "Requests per second and client address to records and sync; 0 lifts the limit.",
    min: 0,
    max: 1_000_000,
    default: 10
  }),
  burst: Setting.number("DMP_HTTP_BURST", {
    about: "Requests a client address may send at once; 0 lifts the limit.",
    min: 0,
    max: 1_000_000,
    default: 100
  }),
  rateExempt: NetworkSetting.cidrs("DMP_HTTP_RATE_EXEMPT", {
    about:
      "Address ranges that DMP_HTTP_RATE does not hold for, such as a gateway that publishes for many users. Not that of a proxy: whoever it fails to name would have no limit.",
    default: []
  }),
  maxConcurrency: Setting.integer("DMP_HTTP_MAX_CONCURRENCY", {
    ...count,
    about:
      "Requests being worked on at once; more are answered 503. Health and metrics have room beside them.",
    default: 64
  }),
  maxConnections: Setting.integer("DMP_HTTP_MAX_CONNECTIONS", {
    ...count,
    about: "Open HTTP connections.",
    default: 1024
  }),
  trustedProxies: NetworkSetting.cidrs("DMP_TRUSTED_PROXIES", {
    about: "Peers whose X-Real-IP and X-Forwarded-For headers are believed.",
    default: ["127.0.0.0/8", "::1/128"]
  }),
  maxBodyBytes: Setting.integer("DMP_HTTP_MAX_BODY_BYTES", {
    about: "Largest request body, in bytes.",
    min: 1024,
    max: 16_777_216,
    default: 16_384
  }),
  headersTimeout: Setting.seconds("DMP_HTTP_HEADERS_TIMEOUT", {
    ...timeout,
    about: "Seconds a client has to send its headers.",
    default: 10
  }),
  requestTimeout: Setting.seconds("DMP_HTTP_REQUEST_TIMEOUT", {
    ...timeout,
    about: "Seconds a client has to send a whole request.",
    default: 30
  }),
  keepAliveTimeout: Setting.seconds("DMP_HTTP_KEEP_ALIVE_TIMEOUT", {
    ...timeout,
    about:
      "Seconds an idle connection stays open. Keep it above the idle time of the proxy in front, 120 for Caddy.",
    default: 125
  })
}

export interface HttpConfigShape {
  readonly hosts: ReadonlyArray<string>
  readonly port: number
  /** Tokens per second and client; 0 lifts the limit. */
  readonly rate: number
  readonly burst: number
  /** CIDR notation. */
  readonly rateExempt: ReadonlyArray<string>
  readonly maxConcurrency: number
  readonly maxConnections: number
  /** CIDR notation. */
  readonly trustedProxies: ReadonlyArray<string>
  readonly maxBodyBytes: number
  /** Seconds. */
  readonly headersTimeout: number
  /** Seconds. */
  readonly requestTimeout: number
  /** Seconds. */
  readonly keepAliveTimeout: number
}

export const config: Config.Config<HttpConfigShape> = Setting.all(settings)

export class HttpConfig extends Context.Tag("dnsmesh/http/HttpConfig")<
  HttpConfig,
  HttpConfigShape
>() {
  static readonly layer = Layer.effect(HttpConfig, config)
}
