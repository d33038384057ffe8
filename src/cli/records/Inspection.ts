/**
 * What is wrong with the rows of a record database, one kind of trouble at a time, each with its
 * remedy. Give it every row in order of name; what it keeps does not grow with their number.
 */
import { Option } from "effect"
import type { NodeConfig } from "../../Settings.ts"
import type { RawRow } from "../../sql/RecordReader.ts"
import * as Name from "../../wire/Name.ts"
import type { ContentPolicy } from "../../zone/ContentPolicy.ts"
import { charactersBroken, rrBytes, sizeBroken } from "../../zone/Limits.ts"
import { valueHash } from "../../zone/ValueHash.ts"
import { type Row, rowOf } from "./Chosen.ts"
import { anybody } from "./Judgement.ts"

export interface Trouble {
  readonly code: string
  readonly level: "warn" | "fail"
  count: number
  /** Names of some. */
  readonly names: Array<string>
  readonly remedy: string
}

/** Names kept of each trouble. */
const named = 5
/** Earlier `stored_ts` are in seconds. */
const firstMillis = 1_000_000_000_000
const day = 86_400_000
/** Seconds after which a sweep should have removed what is over. */
const sweepDue = 3600

const restart =
  "the node puts this right when it starts: restart it, or dnsmesh-node migrate while it is stopped"
const withdraw = "withdraw it: DELETE /v1/records/NAME with the operator's token"
const settingsChanged =
  "let in under other settings, and stays until it ends; raise the cap or withdraw it"

/** Values that a policy refuses for what time has done to them, which readers know how to take. */
const ofTime: ReadonlySet<string> = new Set(["expired", "too-old", "too-far-future", "clock-skew"])

export class Inspection {
  rows = 0
  live = 0
  readonly #found = new Map<string, Trouble>()
  readonly #config: NodeConfig
  readonly #policy: ContentPolicy["Type"] | undefined
  readonly #now: number
  /** The RRset that is being read. */
  #owner = ""
  #values = 0
  #octets = 0

  /** `policy` is left out where contents are not looked at; `now` in seconds. */
  constructor(config: NodeConfig, policy: ContentPolicy["Type"] | undefined, now: number) {
    this.#config = config
    this.#policy = policy
    this.#now = now
  }

  take(raw: RawRow): void {
    this.rows++
    const row = rowOf(raw)
    if (row === undefined || row.ttl <= 0 || row.expiresAt < 0) {
      const remedy =
        "export the others, and import them into a new database: records export, records import"
      return this.#trouble("fail", "shape", String(raw.name), remedy)
    }
    this.#store(row)
    if (row.expiresAt > this.#now) this.#record(row)
    else if (this.#now - row.expiresAt > sweepDue)
      this.#warn(
        "not-swept",
        row.name,
        "rows that are over stay while no node runs, or its sweep fails: see dmp_cleanup_failures_total"
      )
  }

  /** Everything found, failures first. */
  get troubles(): ReadonlyArray<Trouble> {
    this.#endOfRrset()
    const { maxRecords } = this.#config.limits
    if (maxRecords > 0 && this.live > maxRecords)
      this.#found.set("records", {
        code: "records",
        level: "warn",
        count: this.live,
        names: [],
        remedy: "users can add no more: raise DMP_MAX_RECORDS"
      })
    return [...this.#found.values()].sort(
      (a, b) => Number(b.level === "fail") - Number(a.level === "fail") || b.count - a.count
    )
  }

  /** What the sync between nodes rests on. */
  #store({ name, storedTs, value, valueHash: hash }: Row): void {
    if (hash === "") this.#warn("hash-missing", name, restart)
    else if (hash !== valueHash(value))
      this.#trouble(
        "fail",
        "hash-wrong",
        name,
        "peers ask for it in vain; a new write makes the hash anew: records export --name NAME | records import -"
      )
    if (storedTs < firstMillis) this.#warn("stored-in-seconds", name, restart)
    else if (storedTs > this.#now * 1000 + day)
      this.#warn(
        "stored-ahead",
        name,
        "the clock was wrong when it was written, or is now: dnsmesh-node doctor; new rows go behind it"
      )
  }

  #record({ name, ttl, value }: Row): void {
    this.live++
    const parsed = Name.parse(name)
    if (Option.isNone(parsed))
      return this.#warn("name-unservable", name, "no query can ask for it; it goes when it ends")
    if (parsed.value !== name) this.#warn("name-not-canonical", name, restart)
    const { limits, zone } = this.#config
    if (zone.zones.length > 0 && !zone.zones.some((it) => Name.isWithin(parsed.value, it)))
      this.#warn(
        "outside-zones",
        name,
        `it is not answered; name its zone in DMP_EXTRA_ZONES, or ${withdraw}`
      )
    if (name !== this.#owner) this.#endOfRrset()
    this.#owner = name
    this.#values++
    this.#octets += rrBytes(value)
    if (charactersBroken(value) !== undefined)
      this.#warn("value-characters", name, `readers may not read it; ${withdraw}`)
    const verdict = this.#policy?.judge(parsed.value, value, this.#now, anybody)
    const [maxTtl, maxBytes] =
      verdict === undefined || "reason" in verdict
        ? [limits.maxTtl, limits.maxValueBytes]
        : [verdict.maxTtl ?? limits.maxTtl, verdict.maxValueBytes ?? limits.maxValueBytes]
    if (ttl > maxTtl) this.#warn("ttl", name, `DMP_MAX_TTL: ${settingsChanged}`)
    if (sizeBroken(maxBytes, value) !== undefined)
      this.#warn("value-bytes", name, `DMP_MAX_VALUE_BYTES: ${settingsChanged}`)
    if (verdict !== undefined && "reason" in verdict)
      this.#trouble(
        ofTime.has(verdict.reason) ? "warn" : "fail",
        `record-${verdict.reason}`,
        name,
        ofTime.has(verdict.reason)
          ? "what it says of itself is over or ahead of this clock: dnsmesh-node doctor looks at the clock"
          : `readers refuse it; ${withdraw}`
      )
  }

  #endOfRrset(): void {
    const { maxRrsetBytes, maxValuesPerName } = this.#config.limits
    if (maxValuesPerName > 0 && this.#values > maxValuesPerName)
      this.#warn("values-per-name", this.#owner, `DMP_MAX_VALUES_PER_NAME: ${settingsChanged}`)
    if (this.#octets > maxRrsetBytes)
      this.#warn(
        "rrset-bytes",
        this.#owner,
        `one answer cannot carry all of it, the newest values are given; ${withdraw}`
      )
    this.#values = 0
    this.#octets = 0
  }

  #warn(code: string, name: string, remedy: string): void {
    this.#trouble("warn", code, name, remedy)
  }

  #trouble(level: Trouble["level"], code: string, name: string, remedy: string): void {
    const held = this.#found.get(code)
    if (held === undefined) this.#found.set(code, { code, level, count: 1, names: [name], remedy })
    else {
      held.count++
      if (held.names.length < named && held.names.at(-1) !== name) held.names.push(name)
    }
  }
}
