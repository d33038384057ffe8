/** What DNS UPDATE takes, from whom, and how much of it. */
import { Config, Context, Layer, Option, type Redacted } from "effect"
import * as Setting from "../runtime/Setting.ts"
import { settings as authSettings } from "./AuthConfig.ts"
import type { ScopeWidth } from "./NameScope.ts"
import * as TsigSeal from "./TsigSeal.ts"

const rate = { min: 0, max: 1_000_000 }

export const settings = {
  updateEnabled: Setting.boolean("DMP_DNS_UPDATE_ENABLED", {
    about: "Takes DNS UPDATE: signed with TSIG keys, and unsigned claims.",
    default: false
  }),
  looseScope: Setting.boolean("DMP_TSIG_LOOSE_SCOPE", {
    about:
      "New TSIG keys may write the whole zone. For nodes whose users all trust each other; wins over DMP_TSIG_TIGHT_SCOPE.",
    default: false
  }),
  tightScope: Setting.boolean("DMP_TSIG_TIGHT_SCOPE", {
    about: "New TSIG keys may write their holder's own names only, so no messages to others.",
    default: false
  }),
  keyRate: Setting.number("DMP_TSIG_RATE", {
    ...rate,
    about: "Signed updates per second and key; 0 lifts the limit.",
    default: 50
  }),
  keyBurst: Setting.number("DMP_TSIG_BURST", {
    ...rate,
    about: "Signed updates a key may send at once; one long message takes some 45.",
    default: 500
  }),
  sealKey: Setting.secret("DMP_TSIG_SEAL_KEY", {
    about:
      "Key that seals TSIG secrets in their database. Keep it out of the backups of that database: a backup is then of no use to who finds it, and of none to you without the key.",
    accepts: "64 hex digits, as `openssl rand -hex 32` prints them",
    parse: (text) => Option.as(TsigSeal.parseKey(text), text)
  }),
  claimProvider: Setting.optionalBoolean("DMP_CLAIM_PROVIDER", {
    about: "Takes unsigned claims for everybody in the served zone.",
    defaultText: "(off in multi-tenant mode, else on)"
  }),
  receiverClaims: Setting.optionalBoolean("DMP_RECEIVER_CLAIM_NOTIFICATIONS", {
    about:
      "Takes unsigned claims for this node's own users where DMP_CLAIM_PROVIDER is off: for holders of TSIG keys with a mailbox, and for whom the node holds an identity.",
    defaultText: "(on in multi-tenant mode unless DMP_CLAIM_PROVIDER is set, else off)"
  }),
  claimMaxTtl: Setting.integer("DMP_CLAIM_MAX_TTL", {
    about: "Longest life of an unsigned claim, in seconds; 0 leaves it to the claim's own end.",
    min: 0,
    max: 2_592_000,
    default: 86_400
  }),
  claimRate: Setting.number("DMP_CLAIM_RATE_PER_USER_PER_SEC", {
    ...rate,
    about: "Unsigned claims per second and recipient from one source network; 0 lifts the limit.",
    default: 0.5
  }),
  claimBurst: Setting.number("DMP_CLAIM_RATE_BURST", {
    ...rate,
    about: "Unsigned claims for one recipient that one source network may send at once.",
    default: 30
  }),
  claimUdpRate: Setting.number("DMP_CLAIM_UDP_RATE", {
    ...rate,
    about:
      "Unsigned claims per second taken over UDP, where addresses can be forged, all sources together; more are sent to TCP. 0 sends every one there.",
    default: 5
  })
}

export interface UpdateConfigShape {
  readonly updateEnabled: boolean
  /** What newly registered keys may write. */
  readonly scopeWidth: ScopeWidth
  readonly keyRate: number
  readonly keyBurst: number
  /** Claims for everybody. */
  readonly claimProvider: boolean
  /** Claims for this node's own users. */
  readonly receiverClaims: boolean
  /** Seconds; 0 means no cap of our own. */
  readonly claimMaxTtl: number
  readonly claimRate: number
  readonly claimBurst: number
  /** Per second, all sources together; 0 takes none over UDP. */
  readonly claimUdpRate: number
  /** 64 hex digits. */
  readonly sealKey: Option.Option<Redacted.Redacted<string>>
}

/** A node of strangers takes claims for its own users alone, unless told otherwise. */
const claimRoles = (
  provider: Option.Option<boolean>,
  receiver: Option.Option<boolean>,
  multiTenant: boolean
) => ({
  claimProvider: Option.getOrElse(provider, () => !multiTenant),
  receiverClaims: Option.getOrElse(receiver, () => multiTenant && Option.isNone(provider))
})

export const config: Config.Config<UpdateConfigShape> = Config.all([
  Setting.all(settings),
  authSettings.mode.config
]).pipe(
  Config.map(([{ claimProvider, looseScope, receiverClaims, tightScope, ...read }, mode]) => ({
    ...read,
    ...claimRoles(claimProvider, receiverClaims, Option.contains(mode, "multi-tenant")),
    scopeWidth: looseScope
      ? ("loose" as const)
      : tightScope
        ? ("tight" as const)
        : ("default" as const)
  }))
)

export class UpdateConfig extends Context.Tag("dnsmesh/auth/UpdateConfig")<
  UpdateConfig,
  UpdateConfigShape
>() {
  static readonly layer = Layer.effect(UpdateConfig, config)
}
