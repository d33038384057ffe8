/** The part of the HTTP reference about rate limits: which there are, and their numbers. */
import { settings as registration } from "../auth/RegistrationConfig.ts"
import { settings as sync } from "../peers/PeersConfig.ts"
import { settings as http } from "./HttpConfig.ts"
import type { LimitName } from "./RateLimitFields.ts"

interface Described {
  readonly name: LimitName
  readonly who: string
  readonly numbers: string
  readonly settings: string
}

interface Documented {
  readonly name: string
  readonly defaultText: string
}

const perSecond = (rate: Documented, burst: Documented) =>
  `${rate.defaultText} a second, ${burst.defaultText} at once`
const named = (...settings: ReadonlyArray<Documented>) =>
  settings.map(({ name }) => `\`${name}\``).join(", ")

export const limits: ReadonlyArray<Described> = [
  {
    name: "client",
    who: "records, batches, accounts and the operator's credential routes, each client address",
    numbers: perSecond(http.rate, http.burst),
    settings: named(http.rate, http.burst, http.rateExempt)
  },
  {
    name: "token",
    who: "writes with a user's token, each token, beside `client`",
    numbers: perSecond(registration.issuedRate, registration.issuedBurst),
    settings: `${named(registration.issuedRate, registration.issuedBurst)}; \`token issue --rate --burst\``
  },
  {
    name: "registration",
    who: "each step of registration, each client address",
    numbers: `${registration.endpointBurst.defaultText} at once, 5 an hour`,
    settings: named(registration.endpointRate, registration.endpointBurst)
  },
  {
    name: "sync",
    who: "`/v1/sync`, each address",
    numbers: perSecond(sync.syncRate, sync.syncBurst),
    settings: named(sync.syncRate, sync.syncBurst)
  },
  {
    name: "dns",
    who: "`/dns-query`, each client address, shared with DNS over TCP and TLS",
    numbers: "50 a second, 200 at once",
    settings: "`DMP_DNS_RATE`, `DMP_DNS_BURST`"
  },
  {
    name: "login",
    who: "signing in to the dashboard, each client address",
    numbers: "5 at once, one each half minute",
    settings: "fixed"
  },
  {
    name: "legacy",
    who: "heartbeats and lists of nodes for releases before 0.5, each client address",
    numbers: "1 or 5 a second, 30 or 60 at once",
    settings: "fixed"
  }
]

export const section: ReadonlyArray<string> = [
  "## Rate limits",
  'Limits are token buckets: so many requests at once, refilled at so many a second. An IPv6 /64 counts as one address. Every answer of a limited route says what is left, in the two fields of draft-ietf-httpapi-ratelimit-headers (revision 10), refusals included: `RateLimit-Policy: "client";q=100;w=10` is a bucket of 100 that fills in 10 seconds, `RateLimit: "client";r=42;t=1` says that 42 are left and one more comes within a second. Where two limits bind, both stand there. Who is refused gets 429, and `Retry-After` with the seconds after which the same request has what it needs. Limits that are lifted are not told.',
  [
    "| Limit | For | Default | Settings |",
    "|---|---|---|---|",
    ...limits.map(
      ({ name, numbers, settings, who }) => `| \`${name}\` | ${who} | ${numbers} | ${settings} |`
    )
  ].join("\n")
]
