/** `audit tail`: the end of the audit trail. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option } from "effect"
import { auditEvents } from "../auth/AuditRow.ts"
import { TokenStore } from "../auth/TokenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { usage } from "./AdminFailure.ts"
import { withTokens } from "./AdminStores.ts"
import * as Text from "./AdminText.ts"

const tail = Command.make(
  "tail",
  {
    event: Options.text("event").pipe(
      Options.optional,
      Options.withDescription(auditEvents.join(", "))
    ),
    subject: Options.text("subject").pipe(
      Options.optional,
      Options.withDescription("Only lines about this subject")
    ),
    since: Options.text("since").pipe(
      Options.optional,
      Options.withDescription("Only lines of the last 7d, 12h or so many seconds")
    ),
    limit: Options.integer("limit").pipe(Options.withDefault(50)),
    json: Options.boolean("json").pipe(Options.withDescription("Print JSON"))
  },
  ({ event, json, limit, since, subject }) =>
    Effect.gen(function* () {
      if (limit < 1) return yield* usage("error: --limit takes a number from 1 on")
      const about = yield* Effect.transposeOption(Option.map(subject, Text.subjectArgument))
      const span = yield* Text.durationOption("since", since)
      const now = yield* UnixTime.now
      const rows = yield* withTokens(
        Effect.flatMap(TokenStore, (store) =>
          store.tailAudit({
            limit,
            ...(Option.isSome(event) ? { event: event.value } : {}),
            ...(Option.isSome(about) ? { subject: about.value } : {}),
            ...(Option.isSome(span) ? { since: now - span.value } : {})
          })
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
