/** `registration status`: whether strangers can register, and what keeps them from it. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option } from "effect"
import { settings } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const status = Command.make(
  "status",
  { json: Options.boolean("json").pipe(Options.withDescription("Print JSON")) },
  ({ json }) =>
    Effect.gen(function* () {
      const { auth, registration, store, update, zone } = yield* settings
      const missing = [
        ...(registration.enabled ? [] : ["DMP_REGISTRATION_ENABLED is off"]),
        ...(auth.mode === "multi-tenant" ? [] : [`DMP_AUTH_MODE is ${auth.mode}`]),
        ...(Option.isSome(zone.nodeHostname) ? [] : ["DMP_NODE_HOSTNAME is unset"])
      ]
      const tokens = missing.length === 0
      const report = {
        tokens,
        tsig_keys: tokens && update.updateEnabled,
        missing: [
          ...missing,
          ...(update.updateEnabled ? [] : ["DMP_DNS_UPDATE_ENABLED is off (TSIG keys only)"])
        ],
        zone: Option.getOrNull(zone.servedZone),
        node: Option.getOrNull(zone.nodeHostname),
        allowlist: registration.allowlist,
        token_ttl_seconds: registration.lifetime,
        ownership_retention_days: registration.retentionDays,
        tsig_scope: update.scopeWidth,
        token_db: store.tokenDbPath,
        tsig_db: store.tsigDbPath
      }
      if (json) return yield* Text.printJson(report)
      yield* Console.log(
        [
          `tokens: ${report.tokens ? "open" : "closed"}`,
          `TSIG keys: ${report.tsig_keys ? "open" : "closed"}`,
          ...report.missing.map((reason) => `  ${reason}`),
          `zone: ${report.zone ?? "-"}`,
          `node: ${report.node ?? "-"}`,
          `allowlist: ${report.allowlist.join(", ") || "(every domain)"}`,
          `life of credentials: ${report.token_ttl_seconds === 0 ? "no end" : `${report.token_ttl_seconds} s`}`,
          `names stay reserved: ${report.ownership_retention_days} days`,
          `TSIG scope: ${report.tsig_scope}`,
          `token database: ${report.token_db}`,
          `TSIG database: ${report.tsig_db}`
        ].join("\n")
      )
    })
).pipe(Command.withDescription("Say whether people can register, and why not"))

export const registration = Command.make("registration").pipe(
  Command.withDescription("Registration by users themselves"),
  Command.withSubcommands([status])
)
