/** Whether strangers may register, on which terms, and what is kept of what they do. */
import { Config, Context, Layer, Option } from "effect"
import * as Setting from "../runtime/Setting.ts"
import type { AddressDetail } from "./AddressDetail.ts"

const rate = { min: 0, max: 1_000_000 }

export const settings = {
  enabled: Setting.boolean("DMP_REGISTRATION_ENABLED", {
    about:
      "Lets people register for a token or TSIG key of their own; needs DMP_AUTH_MODE=multi-tenant and DMP_NODE_HOSTNAME.",
    default: false
  }),
  allowlist: Setting.list("DMP_REGISTRATION_ALLOWLIST", {
    about:
      "Domains whose users may register, compared with what follows the @ as a whole; unset lets every domain.",
    items: "domains such as mesh.example.org",
    inFile: true,
    parseItem: (item) => {
      const domain = item.toLowerCase().replace(/\.+$/, "")
      return /^[a-z0-9.-]{1,253}$/.test(domain) ? Option.some(domain) : Option.none()
    },
    defaultText: "(every domain)"
  }),
  lifetime: Setting.integer("DMP_REGISTRATION_TOKEN_TTL_SECONDS", {
    about: "Life of registered tokens and TSIG keys, in seconds; 0 means that they never end.",
    min: 0,
    max: 3_153_600_000,
    default: 7_776_000
  }),
  issuedRate: Setting.number("DMP_REGISTRATION_ISSUED_RATE_PER_SEC", {
    ...rate,
    about: "Writes per second a registered token allows; 0 lifts the limit.",
    default: 10
  }),
  issuedBurst: Setting.integer("DMP_REGISTRATION_ISSUED_RATE_BURST", {
    ...rate,
    about: "Writes a registered token allows at once; 0 lifts the limit.",
    default: 50
  }),
  endpointRate: Setting.number("DMP_REGISTRATION_ENDPOINT_RATE_PER_SEC", {
    ...rate,
    about:
      "Registrations per second and client address, for each of the steps on its own; 0 lifts the limit.",
    default: 5 / 3600,
    defaultText: "5 per hour (0.00139)"
  }),
  endpointBurst: Setting.number("DMP_REGISTRATION_ENDPOINT_RATE_BURST", {
    ...rate,
    about: "Registrations a client address may make at once, for each of the steps on its own.",
    default: 5
  }),
  retentionDays: Setting.integer("DMP_OWNERSHIP_RETENTION_DAYS", {
    about:
      "Days for which a user name stays with its key after its last credential has ended. Give no less than people take to come back.",
    min: 0,
    max: 36_500,
    default: 365
  }),
  credentialDays: Setting.integer("DMP_CREDENTIAL_RETENTION_DAYS", {
    about:
      "Days for which tokens and TSIG keys are kept after they ended or were revoked, so that the audit trail can be read with them. Until then they are known, and open nothing.",
    min: 1,
    max: 36_500,
    default: 90
  }),
  auditDays: Setting.integer("DMP_AUDIT_RETENTION_DAYS", {
    about: "Days after which lines of the audit trail are removed.",
    min: 1,
    max: 3650,
    default: 90
  }),
  auditRows: Setting.integer("DMP_AUDIT_MAX_ROWS", {
    about: "Most lines in the audit trail; the oldest go first.",
    min: 1000,
    max: 100_000_000,
    default: 200_000
  }),
  auditAddresses: Setting.literal("DMP_AUDIT_ADDRESSES", {
    about:
      "What the audit trail keeps of client addresses: all of it (full), the network /24 or /48 (network), or nothing (none).",
    values: ["full", "network", "none"],
    default: "network"
  })
}

export interface RegistrationConfigShape {
  readonly enabled: boolean
  /** Lower case, no trailing dot; empty lets every domain. May change while the node runs. */
  readonly allowlist: ReadonlyArray<string>
  /** Seconds; 0 never ends. */
  readonly lifetime: number
  readonly issuedRate: number
  readonly issuedBurst: number
  readonly endpointRate: number
  readonly endpointBurst: number
  readonly retentionDays: number
  readonly credentialDays: number
  readonly auditDays: number
  readonly auditRows: number
  readonly auditAddresses: AddressDetail
}

export const config: Config.Config<RegistrationConfigShape> = Setting.all(settings)

export class RegistrationConfig extends Context.Tag("dnsmesh/auth/RegistrationConfig")<
  RegistrationConfig,
  RegistrationConfigShape
>() {
  static readonly layer = Layer.effect(RegistrationConfig, config)
}

/** Until when (s) the subject of a credential that ends at `expiresAt` stays with its key. */
export const reservedUntil = (
  { retentionDays }: Pick<RegistrationConfigShape, "retentionDays">,
  expiresAt: number | null
): number | null => (expiresAt === null ? null : expiresAt + retentionDays * 86_400)
