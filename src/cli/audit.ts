/** `audit tail`: the end of the audit trail. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option } from "effect"
import { TokenStore } from "../auth/TokenStore.ts"
import { usage } from "./AdminFailure.ts"
import { withTokens } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const tail = Command.make(
  "tail",
  {
    event: Options.text("event").pipe(
      Options.optional,
      Options.withDescription("issued, revoked, used, rejected or throttled")
    ),
    limit: Options.integer("limit").pipe(Options.withDefault(50)),
    json: Options.boolean("json").pipe(Options.withDescription("Print JSON"))
  },
  ({ event, json, limit }) =>
    Effect.gen(function* () {
      if (limit < 1) return yield* usage("error: --limit takes a number from 1 on")
      const rows = yield* withTokens(
        Effect.flatMap(TokenStore, (store) =>
          store.tailAudit({ limit, ...(Option.isSome(event) ? { event: event.value } : {}) })
        )
      )
      if (json)
        return yield* Text.printJson(
          rows.map((row) => ({
            ts: row.ts,
            event: row.event,
            token_hash: row.tokenHash,
            subject: row.subject,
            remote_addr: row.remoteAddr,
            detail: row.detail
          }))
        )
      for (const row of rows)
        yield* Console.log(
          [
            Text.time(row.ts),
            row.event.padEnd(10),
            `subject=${(row.subject ?? "-").padEnd(24)}`,
            `hash=${row.tokenHash === null ? "-" : `${row.tokenHash.slice(0, 12)}…`}`,
            `addr=${(row.remoteAddr ?? "-").padEnd(16)}`,
            row.detail ?? ""
          ].join("  ")
        )
    }).pipe(Effect.catchTag("StoreError", Text.storeFailed))
).pipe(Command.withDescription("Show the newest lines first"))

export const audit = Command.make("audit").pipe(
  Command.withDescription("The audit trail"),
  Command.withSubcommands([tail])
)
