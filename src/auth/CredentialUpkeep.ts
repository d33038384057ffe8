/**
 * Forgets credentials that have been over for as long as an operator may still ask about them,
 * and audit lines past their time. Whose a subject is does not depend on them: that is kept by
 * itself.
 */
import { Effect } from "effect"
import type { Task } from "../runtime/Upkeep.ts"
import { TokensChanged } from "./CredentialsChanged.ts"
import { RegistrationConfig } from "./RegistrationConfig.ts"
import { TokenStore } from "./TokenStore.ts"
import { TsigKeyStore } from "./TsigKeyStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Rows of one step. */
const batch = 500
const day = 86_400

/** The tasks over this node's credential stores. */
export const tasks = Effect.gen(function* () {
  const { auditDays, auditRows, credentialDays } = yield* RegistrationConfig
  const changed = yield* TokensChanged
  const keys = yield* TsigKeyStore
  const tokens = yield* TokenStore
  return [
    {
      name: "tokens",
      every: "10 minutes",
      step: Effect.gen(function* () {
        const count = yield* tokens.purgeTokens((yield* UnixTime.now) - credentialDays * day, batch)
        // This process's own deletions do not show in the store's revision.
        if (count > 0) yield* changed
        return count
      })
    },
    {
      name: "tsig-keys",
      every: "10 minutes",
      step: Effect.flatMap(UnixTime.now, (now) => keys.purge(now, credentialDays * day, batch))
    },
    {
      name: "audit",
      every: "1 minute",
      step: Effect.flatMap(UnixTime.now, (now) =>
        tokens.pruneAudit(now - auditDays * day, auditRows, batch)
      )
    }
  ] satisfies ReadonlyArray<Task>
})
