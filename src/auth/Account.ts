/**
 * What the node keeps about a user, for that user. Invariant: nobody is shown what belongs to an
 * earlier holder of the same subject, and the names told are those the user's token may write.
 */
import { Context, Effect, Layer, Option } from "effect"
import * as Name from "../wire/Name.ts"
import type { StoreError } from "../zone/RecordStore.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import type { AuditRow } from "./AuditRow.ts"
import * as NameClass from "./NameClass.ts"
import type { Owner } from "./Ownership.ts"
import * as Subject from "./Subject.ts"
import type { TokenRow } from "./TokenRow.ts"
import { type AuditFilter, TokenStore } from "./TokenStore.ts"

export class Account extends Context.Tag("dnsmesh/auth/Account")<
  Account,
  {
    /** False where nobody has one. */
    readonly enabled: boolean
    /** True for names that only the holder of this token writes. */
    readonly owns: (row: TokenRow, owner: Name.Name) => boolean
    /** Those of them that follow from the subject; the names of single prekeys have no end. */
    readonly names: (row: TokenRow) => ReadonlyArray<Name.Name>
    /** Who holds the subject, as far as that is known. */
    readonly owner: (row: TokenRow) => Effect.Effect<Owner | undefined, StoreError>
    /** Newest first; nothing from before this holder took the subject. */
    readonly audit: (
      row: TokenRow,
      filter: Omit<AuditFilter, "subject">
    ) => Effect.Effect<ReadonlyArray<AuditRow>, StoreError>
  }
>() {
  static readonly layer = Layer.effect(
    Account,
    Effect.gen(function* () {
      const store = yield* TokenStore
      const { zones } = yield* ZoneConfig
      const owns = (row: TokenRow, owner: Name.Name) => {
        const named = NameClass.classify(owner, zones)
        return named._tag === "Owner" && NameClass.owns(row, named.by)
      }
      const owner = (row: TokenRow) => store.findOwner(row.subject)
      return {
        enabled: true,
        owns,
        names: (row) => {
          const user = Subject.local(row.subject)
          const id = `id-${Subject.hash16(row.subject)}`
          return [id, `rotate.${id}`, `prekeys.id-${Subject.hash12(row.subject)}`]
            .concat(`dmp.${user}`, `rotate.dmp.${user}`)
            .flatMap((labels) =>
              Option.toArray(Name.parse(`${labels}.${Subject.domain(row.subject)}`))
            )
            .filter((name) => owns(row, name))
        },
        owner,
        audit: (row, filter) =>
          Effect.flatMap(owner(row), (held) =>
            store.tailAudit({
              ...filter,
              subject: row.subject,
              since: Math.max(filter.since ?? 0, held?.since ?? row.issuedAt)
            })
          )
      }
    })
  )

  /** Where there are no users. */
  static readonly layerAbsent = Layer.succeed(Account, {
    enabled: false,
    owns: () => false,
    names: () => [],
    owner: () => Effect.succeed(undefined),
    audit: () => Effect.succeed([])
  })
}
