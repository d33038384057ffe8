/**
 * The sections of a DNS UPDATE as typed values (RFC 2136 §2). Names are those of the
 * message; whether they lie in the zone is decided by `prescan`, what they may do elsewhere.
 */
import { Either } from "effect"
import { isMetaType, rrClass, type } from "./Codes.ts"
import { type Message, rdata, type ResourceRecord } from "./Message.ts"
import { decodeTxt } from "./TxtData.ts"
import type { WireError } from "./WireName.ts"

/** RFC 2136 §2.4. */
export type UpdatePrerequisite =
  | { readonly _tag: "NameInUse"; readonly name: string }
  | { readonly _tag: "NameNotInUse"; readonly name: string }
  | { readonly _tag: "RrsetExists"; readonly name: string; readonly type: number }
  | { readonly _tag: "RrsetDoesNotExist"; readonly name: string; readonly type: number }
  /** One record of an RRset that must be exactly this; `value` is there for TXT only. */
  | {
      readonly _tag: "RrsetHolds"
      readonly name: string
      readonly type: number
      readonly value: string | undefined
    }

/** RFC 2136 §2.5. `value` is there for TXT only. `ttl` in seconds. */
export type UpdateChange =
  | {
      readonly _tag: "Add"
      readonly name: string
      readonly type: number
      readonly ttl: number
      readonly value: string | undefined
    }
  | {
      readonly _tag: "DeleteRecord"
      readonly name: string
      readonly type: number
      readonly value: string | undefined
    }
  | { readonly _tag: "DeleteRrset"; readonly name: string; readonly type: number }
  | { readonly _tag: "DeleteName"; readonly name: string }

export interface Update {
  /** Lower-cased text without a trailing dot. */
  readonly zone: string
  readonly prerequisites: ReadonlyArray<UpdatePrerequisite>
  readonly changes: ReadonlyArray<UpdateChange>
}

/** Why an UPDATE is answered with an rcode before anything is looked up. */
export interface UpdateRefusal {
  readonly rcode: "FORMERR" | "NOTZONE"
  readonly reason: string
}

const formerr = (reason: string) => Either.left<UpdateRefusal>({ rcode: "FORMERR", reason })

/** RFC 2181 §8: a TTL with its highest bit set is 0. */
const ttlOf = (record: ResourceRecord): number => (record.ttl > 0x7fffffff ? 0 : record.ttl)

const valueOf = (
  message: Message,
  record: ResourceRecord
): Either.Either<string | undefined, UpdateRefusal> =>
  record.type === type.TXT
    ? Either.mapLeft(decodeTxt(rdata(message, record)), (error: WireError): UpdateRefusal => ({
        rcode: "FORMERR",
        reason: error.reason
      }))
    : Either.right(undefined)

const isEmpty = (record: ResourceRecord): boolean => record.rdataStart === record.rdataEnd

/** Types that name no RRset; ANY is judged by the callers (RFC 2136 §3.4.1.2). */
const isForeign = (code: number): boolean => isMetaType(code) && code !== type.ANY

/** RFC 2136 §3.2.5. */
const prerequisite = (
  message: Message,
  record: ResourceRecord,
  zoneClass: number
): Either.Either<UpdatePrerequisite, UpdateRefusal> => {
  const { name } = record
  if (record.ttl !== 0) return formerr("prerequisite has a TTL")
  if (isForeign(record.type)) return formerr("prerequisite type")
  switch (record.class) {
    case rrClass.ANY:
      if (!isEmpty(record)) return formerr("prerequisite has rdata")
      return Either.right(
        record.type === type.ANY
          ? { _tag: "NameInUse", name }
          : { _tag: "RrsetExists", name, type: record.type }
      )
    case rrClass.NONE:
      if (!isEmpty(record)) return formerr("prerequisite has rdata")
      return Either.right(
        record.type === type.ANY
          ? { _tag: "NameNotInUse", name }
          : { _tag: "RrsetDoesNotExist", name, type: record.type }
      )
    case zoneClass:
      if (record.type === type.ANY) return formerr("prerequisite type")
      return Either.map(valueOf(message, record), (value) => ({
        _tag: "RrsetHolds" as const,
        name,
        type: record.type,
        value
      }))
    default:
      return formerr("prerequisite class")
  }
}

/** RFC 2136 §3.4.1.2. */
const change = (
  message: Message,
  record: ResourceRecord,
  zoneClass: number
): Either.Either<UpdateChange, UpdateRefusal> => {
  const { name } = record
  if (isForeign(record.type)) return formerr("update type")
  switch (record.class) {
    case zoneClass:
      if (record.type === type.ANY) return formerr("update type")
      return Either.map(valueOf(message, record), (value) => ({
        _tag: "Add" as const,
        name,
        type: record.type,
        ttl: ttlOf(record),
        value
      }))
    case rrClass.ANY:
      if (record.ttl !== 0 || !isEmpty(record)) return formerr("delete has a TTL or rdata")
      return Either.right(
        record.type === type.ANY
          ? { _tag: "DeleteName", name }
          : { _tag: "DeleteRrset", name, type: record.type }
      )
    case rrClass.NONE:
      if (record.ttl !== 0) return formerr("delete has a TTL")
      if (record.type === type.ANY) return formerr("update type")
      return Either.map(valueOf(message, record), (value) => ({
        _tag: "DeleteRecord" as const,
        name,
        type: record.type,
        value
      }))
    default:
      return formerr("update class")
  }
}

/** The zone section: one SOA question of a class that holds data (RFC 2136 §3.1.1). */
export const zoneOf = (message: Message): Either.Either<string, UpdateRefusal> => {
  const zone = message.questions[0]
  if (zone === undefined || message.questions.length !== 1) return formerr("zone count is not 1")
  if (zone.type !== type.SOA) return formerr("zone type is not SOA")
  return zone.class === rrClass.NONE || zone.class === rrClass.ANY
    ? formerr("zone class")
    : Either.right(zone.name)
}

// Names are compared as text: see the invariant of `WireName`.
const isWithin = (name: string, zone: string): boolean =>
  zone === "" || name === zone || name.endsWith(`.${zone}`)

/**
 * All sections, judged before anything is applied (RFC 2136 §3.2, §3.4.1). A name outside the
 * zone is NOTZONE even where its record is wrong in other ways too, as clients expect.
 */
export const prescan = (message: Message): Either.Either<Update, UpdateRefusal> => {
  const zone = zoneOf(message)
  if (Either.isLeft(zone)) return Either.left(zone.left)
  const zoneClass = message.questions[0]?.class ?? rrClass.IN
  const strays = (record: ResourceRecord): boolean => !isWithin(record.name, zone.right)
  if (message.answers.some(strays) || message.authorities.some(strays))
    return Either.left({ rcode: "NOTZONE", reason: "name outside zone" })
  const prerequisites: Array<UpdatePrerequisite> = []
  for (const record of message.answers) {
    const read = prerequisite(message, record, zoneClass)
    if (Either.isLeft(read)) return Either.left(read.left)
    prerequisites.push(read.right)
  }
  const changes: Array<UpdateChange> = []
  for (const record of message.authorities) {
    const read = change(message, record, zoneClass)
    if (Either.isLeft(read)) return Either.left(read.left)
    changes.push(read.right)
  }
  return Either.right({ zone: zone.right, prerequisites, changes })
}
