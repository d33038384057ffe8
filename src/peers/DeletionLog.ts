/**
 * Which values were deleted, as a plain data structure. Invariant: per owner and hash there is
 * one account, the one with the highest version; a version is above every one known before it,
 * so what somebody does knowing of a deletion always wins over it, whatever the clocks say.
 */
import type { StoredDeletion } from "./SyncState.ts"

/** Another node's account; `at` and `keepUntil` already by our clock, ms. */
export type ForeignDeletion = Omit<StoredDeletion, "seq">

export class DeletionLog {
  readonly #byOwner = new Map<string, Map<string, StoredDeletion>>()
  /** In order of `seq`. */
  readonly #log = new Map<number, StoredDeletion>()
  readonly #capacity: number
  #lastSeq = 0
  #lastVersion = 0

  constructor(capacity: number, stored: ReadonlyArray<StoredDeletion> = []) {
    this.#capacity = capacity
    for (const deletion of stored) this.#keep(deletion)
  }

  get size(): number {
    return this.#log.size
  }

  /** True while the value must not come back. */
  isDead(owner: string, valueHash: string): boolean {
    return this.#byOwner.get(owner)?.get(valueHash)?.dead === true
  }

  /** Whether anything was ever deleted at `owner`: cheaper than to hash its values. */
  knows(owner: string): boolean {
    return this.#byOwner.has(owner)
  }

  get(owner: string, valueHash: string): StoredDeletion | undefined {
    return this.#byOwner.get(owner)?.get(valueHash)
  }

  /** Notes what this node itself did or found; undefined when the log says so already. */
  note(
    owner: string,
    valueHash: string,
    dead: boolean,
    now: number,
    keepUntil: number
  ): StoredDeletion | undefined {
    const known = this.get(owner, valueHash)
    if (known === undefined ? !dead : known.dead === dead) return undefined
    const version = Math.max(now, this.#lastVersion + 1)
    return this.#keep({
      owner,
      valueHash,
      dead,
      version,
      at: now,
      keepUntil: Math.max(keepUntil, known?.keepUntil ?? 0),
      seq: this.#nextSeq(now)
    })
  }

  /** Takes another node's account, if it is later than ours. */
  merge(foreign: ForeignDeletion, now: number): StoredDeletion | undefined {
    const known = this.get(foreign.owner, foreign.valueHash)
    // Of two accounts with one version the deletion counts, on both nodes.
    if (
      known !== undefined &&
      (known.version > foreign.version ||
        (known.version === foreign.version && (known.dead || !foreign.dead)))
    )
      return undefined
    return this.#keep({ ...foreign, seq: this.#nextSeq(now) })
  }

  /** Accounts learned after `seq`, oldest first. */
  after(seq: number, limit: number): ReadonlyArray<StoredDeletion> {
    const page: Array<StoredDeletion> = []
    for (const deletion of this.#log.values()) {
      if (deletion.seq <= seq) continue
      page.push(deletion)
      if (page.length === limit) break
    }
    return page
  }

  /** Forgets what is over at `now` (ms), and the oldest beyond the capacity. */
  sweep(now: number): void {
    for (const deletion of this.#log.values())
      if (deletion.keepUntil <= now || this.#log.size > this.#capacity) this.#drop(deletion)
  }

  #nextSeq(now: number): number {
    // Above any number given before a restart, even if the latest were not yet on the disk.
    return Math.max(this.#lastSeq + 1, now)
  }

  #keep(deletion: StoredDeletion): StoredDeletion {
    const known = this.get(deletion.owner, deletion.valueHash)
    if (known !== undefined) this.#log.delete(known.seq)
    const values = this.#byOwner.get(deletion.owner)
    if (values === undefined)
      this.#byOwner.set(deletion.owner, new Map([[deletion.valueHash, deletion]]))
    else values.set(deletion.valueHash, deletion)
    this.#log.set(deletion.seq, deletion)
    this.#lastSeq = Math.max(this.#lastSeq, deletion.seq)
    this.#lastVersion = Math.max(this.#lastVersion, deletion.version)
    return deletion
  }

  #drop(deletion: StoredDeletion): void {
    this.#log.delete(deletion.seq)
    const values = this.#byOwner.get(deletion.owner)
    values?.delete(deletion.valueHash)
    if (values?.size === 0) this.#byOwner.delete(deletion.owner)
  }
}
