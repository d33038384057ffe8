/**
 * Whether a write request is let in, and which rows it changes: every rule of the write
 * path as one pure function over the live RRsets.
 */
import { Either } from "effect"
import type { Name } from "../wire/Name.ts"
import { ContentRefused, type ContentPolicy } from "./ContentPolicy.ts"
import {
  charactersBroken,
  LimitExceeded,
  type LimitsShape,
  rrBytes,
  sizeBroken,
  ttlBroken
} from "./Limits.ts"
import type { LiveZone } from "./LiveZone.ts"
import {
  type Applied,
  type Change,
  PrerequisiteFailed,
  type Prerequisite,
  type PublishError,
  type WriteRequest
} from "./WriteRequest.ts"
import type { RowChange } from "./RecordStore.ts"
import type { Room } from "./Room.ts"
import { Shares } from "./Shares.ts"
import type { TxtRecord } from "./TxtRecord.ts"
import { NotGranted, type WriteGrant } from "./WriteGrant.ts"

export interface Rules {
  readonly limits: LimitsShape
  readonly policy: ContentPolicy["Type"]
}

/** Live values by text, with the second each ends, in order of last write. */
type Rrset = ReadonlyMap<string, number>

export interface Decision {
  readonly rows: ReadonlyArray<RowChange>
  readonly applied: Applied
}

/**
 * The zone as the requests of one group see it: the live RRsets with the changes of the
 * requests before laid over them.
 */
export class Draft {
  readonly #zone: LiveZone
  readonly #now: number
  readonly #changed = new Map<Name, Rrset>()
  readonly #room: Room
  readonly shares: Shares
  /** Values there will be in all. */
  total: number

  constructor(zone: LiveZone, now: number, shares = new Shares()) {
    this.#zone = zone
    this.#now = now
    this.shares = shares
    this.total = zone.valueCount
    this.#room = zone.room()
  }

  /** What the request at hand may take and change: nobody else holds it. */
  rrset(owner: Name): Map<string, number> {
    const changed = this.#changed.get(owner)
    if (changed !== undefined) return new Map(changed)
    const held = new Map<string, number>()
    for (const { expiresAt, value } of this.#zone.live(owner, this.#now)) held.set(value, expiresAt)
    return held
  }

  /** Decides `request` at this draft; the draft moves on only when it is let in. */
  decide(request: WriteRequest, rules: Rules): Either.Either<Decision, PublishError> {
    const attempt = new Attempt(this, request.grant, rules, this.#now)
    const refused = attempt.run(request)
    if (refused !== undefined) return Either.left(refused)
    // What is not answered must not be durable: memory is asked first, whoever writes.
    if (attempt.applied.added > 0 && !this.#room.take(attempt.rows))
      return Either.left(new LimitExceeded({ limit: "memory", cap: this.#room.limit }))
    for (const [owner, rrset] of attempt.touched) this.#changed.set(owner, rrset)
    for (const [owner, value, writer] of attempt.shared) this.shares.add(owner, value, writer)
    this.total += attempt.applied.added - attempt.applied.removed
    return Either.right({ rows: attempt.rows, applied: attempt.applied })
  }
}

/** One request on its way through: its own changes over the draft, thrown away if it fails. */
class Attempt {
  readonly touched = new Map<Name, Map<string, number>>()
  readonly rows: Array<RowChange> = []
  /** New values in names with shares. */
  readonly shared: Array<readonly [owner: Name, value: string, writer: string]> = []
  readonly applied = { added: 0, refreshed: 0, removed: 0 }
  readonly #draft: Draft
  readonly #grant: WriteGrant
  readonly #rules: Rules
  readonly #now: number

  constructor(draft: Draft, grant: WriteGrant, rules: Rules, now: number) {
    this.#draft = draft
    this.#grant = grant
    this.#rules = rules
    this.#now = now
  }

  /** The whole request; yields why it is refused, if it is. */
  run({ changes, prerequisites = [] }: WriteRequest): PublishError | undefined {
    for (const condition of prerequisites) {
      const unmet = this.#unmet(condition)
      if (unmet !== undefined)
        return new PrerequisiteFailed({ rcode: unmet, owner: condition.owner })
    }
    for (const change of changes) {
      const refused = this.#change(change)
      if (refused !== undefined) return refused
    }
    return undefined
  }

  /** RFC 2136 §3.2, against the zone before this request. */
  #unmet(condition: Prerequisite): PrerequisiteFailed["rcode"] | undefined {
    const held = this.#draft.rrset(condition.owner)
    switch (condition._tag) {
      case "NameInUse":
        return held.size > 0 ? undefined : "NXDOMAIN"
      case "NameNotInUse":
        return held.size === 0 ? undefined : "YXDOMAIN"
      case "RrsetExists":
        return held.size > 0 ? undefined : "NXRRSET"
      case "RrsetDoesNotExist":
        return held.size === 0 ? undefined : "YXRRSET"
      case "RrsetEquals": {
        const wanted = new Set(condition.values)
        return wanted.size === held.size && [...wanted].every((value) => held.has(value))
          ? undefined
          : "NXRRSET"
      }
    }
  }

  #change(change: Change): PublishError | undefined {
    const owner = change._tag === "Add" ? change.record.owner : change.owner
    const operation = change._tag === "Add" ? "add" : "delete"
    if (!this.#grant.allows(operation, owner)) return new NotGranted({ operation, owner })
    switch (change._tag) {
      case "Add":
        return this.#add(change.record, change.createdAt ?? this.#now)
      case "DeleteValue":
        this.#remove(owner, change.value)
        return undefined
      case "DeleteRrset":
        for (const value of [...this.#rrset(owner).keys()]) this.#remove(owner, value)
        return undefined
    }
  }

  #add(record: TxtRecord, createdAt: number): PublishError | undefined {
    const { limits, policy } = this.#rules
    const { owner, value } = record
    const held = this.#rrset(owner)
    const general = this.#capBroken(record, limits.maxTtl, limits.maxValueBytes)
    const fixed = this.#roomBroken(owner, held, value) ?? charactersBroken(value)
    if (general === undefined && fixed !== undefined) return fixed
    // Signatures are costly, so the policy comes last; only it can lift the two general caps.
    const verdict = policy.judge(owner, value, this.#now, this.#grant)
    if (verdict instanceof ContentRefused) return general ?? verdict
    const broken =
      this.#capBroken(
        record,
        verdict.maxTtl ?? limits.maxTtl,
        verdict.maxValueBytes ?? limits.maxValueBytes
      ) ?? fixed
    if (broken !== undefined) return broken

    if (verdict.supersedes !== undefined)
      for (const other of [...held.keys()])
        if (other !== value && verdict.supersedes(other)) this.#remove(owner, other)
    const { quota } = this.#grant
    if (quota?.shares(owner) === true && !held.has(value))
      this.shared.push([owner, value, quota.writer])
    this.#put(record, createdAt, held.get(value))
    return undefined
  }

  #capBroken(record: TxtRecord, maxTtl: number, maxBytes: number): LimitExceeded | undefined {
    const { limits } = this.#rules
    const ttl = this.#grant.ignoresTtlCap ? undefined : ttlBroken({ ...limits, maxTtl }, record.ttl)
    return ttl ?? sizeBroken(maxBytes, record.value)
  }

  #roomBroken(owner: Name, held: Rrset, value: string): LimitExceeded | undefined {
    if (held.has(value)) return undefined
    const over = this.#quotaBroken(owner, held)
    if (over !== undefined) return over
    const { maxValuesPerName, maxRrsetBytes } = this.#rules.limits
    if (maxValuesPerName > 0 && held.size >= maxValuesPerName)
      return new LimitExceeded({ limit: "values-per-name", cap: maxValuesPerName })
    let octets = rrBytes(value)
    for (const other of held.keys()) octets += rrBytes(other)
    return octets > maxRrsetBytes
      ? new LimitExceeded({ limit: "rrset-bytes", cap: maxRrsetBytes })
      : undefined
  }

  #quotaBroken(owner: Name, held: Rrset): LimitExceeded | undefined {
    const { quota } = this.#grant
    if (quota === undefined) return undefined
    const { maxRecords, maxValuesPerWriter } = this.#rules.limits
    const total = this.#draft.total + this.applied.added - this.applied.removed
    if (maxRecords > 0 && total >= maxRecords)
      return new LimitExceeded({ limit: "records", cap: maxRecords })
    if (maxValuesPerWriter === 0 || !quota.shares(owner)) return undefined
    const fresh = this.shared.filter(([name, value]) => name === owner && held.has(value)).length
    const had = this.#draft.shares.count(owner, held.keys(), quota.writer)
    return had + fresh >= maxValuesPerWriter
      ? new LimitExceeded({ limit: "values-per-writer", cap: maxValuesPerWriter })
      : undefined
  }

  #rrset(owner: Name): Map<string, number> {
    const known = this.touched.get(owner)
    if (known !== undefined) return known
    const copy = this.#draft.rrset(owner)
    this.touched.set(owner, copy)
    return copy
  }

  #put(record: TxtRecord, createdAt: number, held: number | undefined): void {
    const asked = this.#now + record.ttl
    const expiresAt = this.#grant.mayShorten ? asked : Math.max(asked, held ?? 0)
    const rrset = this.#rrset(record.owner)
    rrset.delete(record.value)
    rrset.set(record.value, expiresAt)
    this.rows.push({ _tag: "Put", row: { ...record, createdAt, expiresAt } })
    if (held === undefined) this.applied.added++
    else this.applied.refreshed++
  }

  #remove(owner: Name, value: string): void {
    if (!this.#rrset(owner).delete(value)) return
    this.rows.push({ _tag: "Remove", owner, value })
    this.applied.removed++
  }
}
