/**
 * The audit lines of credentials that are kept beside the token database: no transaction spans
 * both, so the line follows the act, and one that cannot be written is counted, never an excuse.
 */
import { Effect, Metric, Option } from "effect"
import * as AuthMetrics from "./AuthMetrics.ts"
import { lifecycle } from "./AuditRow.ts"
import { TokenStore } from "./TokenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** One line about credentials of `subject`; none where there is no trail to write it to. */
export const note = Effect.fnUntraced(function* (
  event: "issued" | "revoked",
  subject: string,
  detail: string
) {
  const store = yield* Effect.serviceOption(TokenStore)
  if (Option.isNone(store)) return
  const row = lifecycle(event, yield* UnixTime.now, subject, null, detail)
  yield* Effect.catchAllCause(store.value.appendAudit([row]), (cause) =>
    Effect.zipRight(
      Metric.increment(AuthMetrics.auditDropped),
      Effect.logWarning("an audit row was not written", cause)
    )
  )
})
