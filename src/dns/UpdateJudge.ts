/**
 * What an UPDATE asks of the zone, or how it ends before the zone is asked (RFC 2136 §3.1 to
 * §3.4.1): the zone, the sections, whether the sender may make all of the changes. Synchronous;
 * changes nothing but the buckets of claims.
 */
import { Effect, Either, Option } from "effect"
import { ClaimAuth } from "../auth/ClaimAuth.ts"
import { type IndexedKey, TsigKeys } from "../auth/TsigKeys.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { findOpt, type Message } from "../wire/Message.ts"
import { prescan, zoneOf } from "../wire/Update.ts"
import { ServedZones } from "../zone/ServedZones.ts"
import type { WriteRequest } from "../zone/WriteRequest.ts"
import type { Verified } from "./SignedExchange.ts"
import { authorise, type Source } from "./UpdateAuthority.ts"
import { end, type Ending } from "./UpdateEnding.ts"
import { settle, wanted, type WantedChange } from "./UpdateFacts.ts"

/** What somebody who may speak to the zone asks of it. */
export interface Asked {
  readonly changes: ReadonlyArray<WantedChange>
  /** The key that signed; none for an unsigned UPDATE. */
  readonly key: IndexedKey | undefined
  /** What the publisher is given, or how it ends without. */
  readonly request: WriteRequest | Ending
}

export type Judge = (message: Message, signer: Verified | undefined, from: Source) => Ending | Asked

export const make: Effect.Effect<Judge, never, TsigKeys | ClaimAuth | ServedZones> = Effect.gen(
  function* () {
    const keys = yield* TsigKeys
    const claims = yield* ClaimAuth
    const zones = new Map((yield* ServedZones).map((zone) => [String(zone.name), zone]))
    const clock = yield* Effect.clock

    return (message, signer, from) => {
      const opt = findOpt(message)
      if (Either.isLeft(opt)) return end("FORMERR")
      if (opt.right !== undefined && ((opt.right.ttl >>> 16) & 0xff) > 0) return end("BADVERS")
      const zoneName = zoneOf(message)
      if (Either.isLeft(zoneName)) return end(zoneName.left.rcode)
      const zone = zones.get(zoneName.right)
      if (zone === undefined) return end("NOTAUTH")
      const update = prescan(message)
      if (Either.isLeft(update)) return end(update.left.rcode)

      const changes = Option.all(update.right.changes.map(wanted))
      if (Option.isNone(changes)) return end("REFUSED")
      // Asked again, not taken from the exchange: the key may have been revoked meanwhile.
      const key = signer && keys.find(signer.key.wire.name, UnixTime.unsafeNow(clock))
      if (signer !== undefined && key === undefined) return end("REFUSED")
      const asked = { key, changes: changes.value }
      const authorised = authorise({ ...asked, zone: zone.name, from }, claims)
      if ("rcode" in authorised) return { ...asked, request: authorised }
      const prerequisites = settle(update.right.prerequisites, zone)
      if (typeof prerequisites === "string") return { ...asked, request: end(prerequisites) }
      return {
        ...asked,
        request: {
          grant: authorised.grant,
          changes: authorised.changes.flatMap(({ change }) => Option.toArray(change)),
          prerequisites
        }
      }
    }
  }
)
