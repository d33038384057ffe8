/**
 * What the audit trail learns of signed updates. Invariant, as for tokens: only a write that
 * touches nothing but its holder's own names says whose it was.
 */
import { Effect, Option } from "effect"
import { Audit } from "../auth/Audit.ts"
import type { AuditEvent } from "../auth/AuditRow.ts"
import * as NameScope from "../auth/NameScope.ts"
import type { IndexedKey } from "../auth/TsigKeys.ts"
import type { Ending } from "./UpdateEnding.ts"
import type { WantedChange } from "./UpdateFacts.ts"

export type Trail = (
  key: IndexedKey,
  changes: ReadonlyArray<WantedChange>,
  ending: Ending,
  remote: string
) => void

const eventOf = (ending: Ending): AuditEvent | undefined => {
  if (ending.outcome === "rate_limited") return "throttled"
  if (ending.rcode === "NOERROR") return "used"
  return ending.rcode === "REFUSED" ? "rejected" : undefined
}

/** Writes to the audit there is, or nowhere. */
export const make: Effect.Effect<Trail> = Effect.map(
  Effect.serviceOption(Audit),
  Option.match({
    onNone: (): Trail => () => {},
    onSome:
      (audit): Trail =>
      (key, changes, ending, remote) => {
        const event = eventOf(ending)
        if (event === undefined || (changes.length === 0 && event !== "throttled")) return
        const own =
          changes.length > 0 && changes.every(({ owner }) => NameScope.owns(key.scopes, owner))
        audit.record({
          event,
          holder: own ? { tokenHash: `tsig:${key.row.name}`, subject: key.row.subject } : null,
          remote,
          detail: own ? "update owner-exclusive" : "update shared-pool"
        })
      }
  })
)
