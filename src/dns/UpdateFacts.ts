/**
 * What an UPDATE asks for, in the terms of the zone: changes the publisher can make, those
 * that change nothing, and prerequisites decided by what stands in the zone by configuration.
 */
import { Option } from "effect"
import { type as rrType } from "../wire/Codes.ts"
import * as Name from "../wire/Name.ts"
import type { UpdateChange, UpdatePrerequisite } from "../wire/Update.ts"
import type { ServedZone } from "../zone/ServedZones.ts"
import type { Operation } from "../zone/WriteGrant.ts"
import type { Change, Prerequisite, PrerequisiteFailed } from "../zone/WriteRequest.ts"

/** Seconds a record lives that was added with TTL 0, which would be over at once. */
export const defaultTtl = 60

export interface WantedChange {
  readonly operation: Operation
  readonly owner: Name.Name
  /** None for the removal of what this node never holds: permitted or not, it changes nothing. */
  readonly change: Option.Option<Change>
}

const removal = (owner: Name.Name, change: Option.Option<Change>): WantedChange => ({
  operation: "delete",
  owner,
  change
})

/** None for what no writer may do: adding another type, or a name outside our grammar. */
export const wanted = (asked: UpdateChange): Option.Option<WantedChange> =>
  Option.flatMap(Name.parse(asked.name), (owner) => {
    switch (asked._tag) {
      case "Add":
        return asked.value === undefined
          ? Option.none()
          : Option.some({
              operation: "add" as const,
              owner,
              change: Option.some<Change>({
                _tag: "Add",
                record: { owner, value: asked.value, ttl: asked.ttl === 0 ? defaultTtl : asked.ttl }
              })
            })
      case "DeleteRecord":
        return Option.some(
          removal(
            owner,
            Option.map(Option.fromNullable(asked.value), (value) => ({
              _tag: "DeleteValue" as const,
              owner,
              value
            }))
          )
        )
      case "DeleteRrset":
        return Option.some(
          removal(
            owner,
            asked.type === rrType.TXT
              ? Option.some({ _tag: "DeleteRrset" as const, owner })
              : Option.none()
          )
        )
      case "DeleteName":
        return Option.some(removal(owner, Option.some({ _tag: "DeleteRrset", owner })))
    }
  })

export type PrerequisiteRcode = PrerequisiteFailed["rcode"]

/** What stands in `zone` whatever is written: apex, SOA, name servers, their addresses. */
const standing = (zone: ServedZone) => {
  const records = (owner: Name.Name) => zone.records.get(Name.toWireKey(owner))
  return {
    name: (owner: Name.Name) => owner === zone.name || records(owner) !== undefined,
    rrset: (owner: Name.Name, type: number) =>
      (owner === zone.name && type === rrType.SOA) || records(owner)?.has(type) === true
  }
}

/**
 * The prerequisites only live data can decide, or the rcode of the first that fails without
 * it (RFC 2136 §3.2). A name outside our grammar holds nothing, and so does any type but TXT
 * that does not stand in the configuration.
 */
export const settle = (
  prerequisites: ReadonlyArray<UpdatePrerequisite>,
  zone: ServedZone
): PrerequisiteRcode | ReadonlyArray<Prerequisite> => {
  const fixed = standing(zone)
  const open: Array<Prerequisite> = []
  const wholes = new Map<Name.Name, Array<string>>()
  for (const asked of prerequisites) {
    const owner = Option.getOrUndefined(Name.parse(asked.name))
    switch (asked._tag) {
      case "NameInUse":
        if (owner === undefined) return "NXDOMAIN"
        if (!fixed.name(owner)) open.push({ _tag: "NameInUse", owner })
        break
      case "NameNotInUse":
        if (owner === undefined) break
        if (fixed.name(owner)) return "YXDOMAIN"
        open.push({ _tag: "NameNotInUse", owner })
        break
      case "RrsetExists":
        if (owner === undefined) return "NXRRSET"
        if (asked.type === rrType.TXT) open.push({ _tag: "RrsetExists", owner })
        else if (!fixed.rrset(owner, asked.type)) return "NXRRSET"
        break
      case "RrsetDoesNotExist":
        if (owner === undefined) break
        if (asked.type === rrType.TXT) open.push({ _tag: "RrsetDoesNotExist", owner })
        else if (fixed.rrset(owner, asked.type)) return "YXRRSET"
        break
      case "RrsetHolds":
        if (owner === undefined || asked.value === undefined) return "NXRRSET"
        wholes.set(owner, [...(wholes.get(owner) ?? []), asked.value])
        break
    }
  }
  return [
    ...open,
    ...[...wholes].map(([owner, values]) => ({
      _tag: "RrsetEquals" as const,
      owner,
      values
    }))
  ]
}
