/**
 * Claims written without a credential: their own signature is the whole authority, so who may
 * write how many is bounded here. Invariant: what is accepted is an add of a sound claim, at
 * the claim's own slot name directly in the zone, that ends no later than the claim.
 */
import { Context, Effect, Either, Layer } from "effect"
import * as Claim from "../dmp/Claim.ts"
import * as OwnerName from "../dmp/OwnerName.ts"
import { limiterKey } from "../runtime/IpAddress.ts"
import * as RateLimiter from "../runtime/RateLimiter.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import type { Name } from "../wire/Name.ts"
import { Limits, ttlBroken } from "../zone/Limits.ts"
import type { TxtRecord } from "../zone/TxtRecord.ts"
import * as PublishedMailboxes from "./PublishedMailboxes.ts"
import { TsigKeys } from "./TsigKeys.ts"
import { UpdateConfig } from "./UpdateConfig.ts"

/** Claims in one message at most: a sender has ten slots. */
const maxClaims = 10
/** What one source may send, to whomever, as a multiple of what it may send to one recipient. */
const sourceFactor = 10
/** What one recipient gets, from whomever, likewise. */
const recipientFactor = 10
/** Seconds' worth of the UDP rate that may come at once. */
const udpBurstSeconds = 12

export interface ClaimRequest {
  readonly zone: Name
  readonly adds: ReadonlyArray<TxtRecord>
  readonly source:
    | { readonly _tag: "Address"; readonly address: string; readonly transport: "udp" | "tcp" }
    /** The sender is known by its TSIG key, so its address matters no more. */
    | { readonly _tag: "Key"; readonly name: string }
}

export type ClaimVerdict =
  /** The same records, with the lifetime each may have. */
  | {
      readonly _tag: "Accepted"
      readonly records: ReadonlyArray<TxtRecord>
      /** Who sent them, to a quota. */
      readonly sender: string
    }
  | { readonly _tag: "Refused"; readonly reason: string }
  /** Too many for now; the sender may try again later. */
  | { readonly _tag: "Throttled" }
  /** The address may be forged: the sender has to come over TCP. */
  | { readonly _tag: "Challenged" }

interface Candidate {
  readonly record: TxtRecord
  readonly mailbox: string
  readonly claim: Claim.Claim
}

const refused = (reason: string): ClaimVerdict => ({ _tag: "Refused", reason })

export class ClaimAuth extends Context.Tag("dnsmesh/auth/ClaimAuth")<
  ClaimAuth,
  {
    /** Synchronous; charges the buckets. Signatures are looked at last. */
    readonly judge: (request: ClaimRequest) => ClaimVerdict
  }
>() {
  static readonly layer = Layer.scoped(
    ClaimAuth,
    Effect.gen(function* () {
      const config = yield* UpdateConfig
      const keys = yield* TsigKeys
      const limits = yield* Limits
      const clock = yield* Effect.clock
      const { claimBurst, claimMaxTtl, claimRate, claimUdpRate } = config
      const limiter = (factor: number) =>
        RateLimiter.make({ rate: claimRate * factor, burst: claimBurst * factor })
      const perSource = yield* limiter(sourceFactor)
      const perPair = yield* limiter(1)
      const perRecipient = yield* limiter(recipientFactor)
      const overUdp = yield* RateLimiter.make({
        rate: claimUdpRate,
        burst: Math.max(1, claimUdpRate * udpBurstSeconds),
        maxKeys: 1
      })
      const open = config.updateEnabled && (config.claimProvider || config.receiverClaims)
      const published =
        open && !config.claimProvider ? yield* PublishedMailboxes.make : PublishedMailboxes.none
      const isRecipient = (mailbox: string, zone: Name, now: number): boolean =>
        config.claimProvider || published.has(mailbox) || keys.isRecipient(mailbox, zone, now)

      /** Everything that costs no signature check. */
      const candidate = (
        record: TxtRecord,
        zone: Name,
        now: number
      ): Either.Either<Candidate, string> => {
        const name = OwnerName.recognise(record.owner)
        if (name._tag !== "Claim" || name.zone !== zone) return Either.left("no claim name")
        if (!isRecipient(name.mailbox, zone, now)) return Either.left("recipient is not registered")
        // What was asked for counts, as for every writer, not what it will be cut to.
        if (ttlBroken(limits, record.ttl) !== undefined) return Either.left("TTL is too long")
        return Either.mapLeft(Claim.parse(record.value), (fault) => fault.reason).pipe(
          Either.filterOrLeft(
            (claim) => claim.slot === name.slot,
            () => "slot differs from name"
          ),
          Either.filterOrLeft(
            (claim) => claimMaxTtl === 0 || claim.exp - now <= claimMaxTtl,
            () => "claim lasts too long"
          ),
          Either.map((claim) => ({ record, mailbox: name.mailbox, claim }))
        )
      }

      const lifetime = ({ claim, record }: Candidate, now: number): number =>
        Math.min(record.ttl, claim.exp - now, claimMaxTtl === 0 ? Infinity : claimMaxTtl)

      const judge = ({ adds, source, zone }: ClaimRequest): ClaimVerdict => {
        if (!open) return refused("claims are not taken")
        if (adds.length === 0 || adds.length > maxClaims) return refused("number of claims")
        const now = UnixTime.unsafeNow(clock)
        const sound = Either.all(adds.map((record) => candidate(record, zone, now)))
        if (Either.isLeft(sound)) return refused(sound.left)

        // Whoever can forge an address could empty the bucket of its owner: UDP has one bucket
        // for all, and who finds it empty comes over TCP.
        const isUdp = source._tag === "Address" && source.transport === "udp"
        if (isUdp && (claimUdpRate === 0 || !overUdp.allow("", adds.length)))
          return { _tag: "Challenged" }
        const sender =
          source._tag === "Key" ? `key ${source.name}` : isUdp ? "udp" : limiterKey(source.address)
        if (!isUdp && !perSource.allow(sender, adds.length)) return { _tag: "Throttled" }

        for (const { record } of sound.right) {
          const verified = Claim.verify(record.value, now)
          if (Either.isLeft(verified)) return refused(verified.left.reason)
        }
        for (const { mailbox } of sound.right)
          if (!perPair.allow(`${mailbox} ${sender}`) || !perRecipient.allow(mailbox))
            return { _tag: "Throttled" }
        return {
          _tag: "Accepted",
          sender,
          records: sound.right.map((one) => ({ ...one.record, ttl: lifetime(one, now) }))
        }
      }
      return { judge }
    })
  )
}
