/**
 * Whether the sender of an UPDATE may make all of its changes. Changes in the scope of a key
 * are its holder's; adds outside it, and all of an unsigned sender, must be claims. One change
 * that is neither refuses the message.
 */
import { Option } from "effect"
import type { ClaimAuth, ClaimRequest } from "../auth/ClaimAuth.ts"
import { claimGrant } from "../auth/ClaimGrant.ts"
import * as NameScope from "../auth/NameScope.ts"
import type { IndexedKey } from "../auth/TsigKeys.ts"
import type { Name } from "../wire/Name.ts"
import type { TxtRecord } from "../zone/TxtRecord.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import { challenged, end, type Ending, throttled } from "./UpdateEnding.ts"
import type { WantedChange } from "./UpdateFacts.ts"

export interface Source {
  /** Canonical address. */
  readonly address: string
  readonly transport: "udp" | "tcp"
}

/** What the sender may do, and with which lifetimes. */
export interface Authorised {
  readonly grant: WriteGrant
  readonly changes: ReadonlyArray<WantedChange>
}

export interface UpdateRequest {
  readonly zone: Name
  readonly changes: ReadonlyArray<WantedChange>
  /** The key that signed; none for an unsigned UPDATE. */
  readonly key: IndexedKey | undefined
  readonly from: Source
}

const added = (changes: ReadonlyArray<WantedChange>): ReadonlyArray<TxtRecord> =>
  changes.flatMap(({ change }) =>
    Option.isSome(change) && change.value._tag === "Add" ? [change.value.record] : []
  )

/** For changes in the scope of a key. */
const holderGrant = (key: IndexedKey, own: ReadonlyArray<WantedChange>): WriteGrant =>
  NameScope.grant(
    key.row.subject || key.row.name,
    key.scopes,
    added(own).map((record) => record.owner),
    key.row.registeredSpk
  )

/** What `held` allows, and what `claims` does. */
const widened = (held: WriteGrant, claims: WriteGrant): WriteGrant =>
  new WriteGrant({
    ...claims,
    ...held,
    mayShorten: false,
    allows: (operation, owner) => held.allows(operation, owner) || claims.allows(operation, owner)
  })

/** Synchronous; charges the buckets of claims. */
export const authorise = (
  { changes, from, key, zone }: UpdateRequest,
  claims: ClaimAuth["Type"]
): Authorised | Ending => {
  const scopes = key?.scopes ?? []
  const isOwn = ({ operation, owner }: WantedChange) => NameScope.allows(scopes, operation, owner)
  // Nearly every UPDATE: nothing has to be told apart.
  if (key !== undefined && changes.every(isOwn))
    return { grant: holderGrant(key, changes), changes }
  const own = changes.filter(isOwn)
  const foreign = changes.filter((change) => !isOwn(change))
  const held = key === undefined ? undefined : holderGrant(key, own)
  const adds = added(foreign)
  if (adds.length !== foreign.length) return end("REFUSED")
  const source: ClaimRequest["source"] =
    key === undefined ? { _tag: "Address", ...from } : { _tag: "Key", name: key.row.name }
  const verdict = claims.judge({ zone, adds, source })
  switch (verdict._tag) {
    case "Refused":
      return end("REFUSED")
    case "Throttled":
      return throttled
    case "Challenged":
      return challenged
    case "Accepted": {
      const claim = claimGrant(verdict.records, verdict.sender)
      return {
        grant: held === undefined ? claim : widened(held, claim),
        changes: [
          ...own,
          ...verdict.records.map((record) => ({
            operation: "add" as const,
            owner: record.owner,
            change: Option.some({ _tag: "Add" as const, record })
          }))
        ]
      }
    }
  }
}
