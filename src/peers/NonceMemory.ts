/**
 * Remembers which signed requests were answered, for as long as their time is accepted.
 * Invariant: bounded for each signer, and one that is full refuses rather than forgets, so
 * nobody's request is answered twice.
 */

/** Requests of one signer within the window; some 2 MB. */
const perSigner = 20_000

export class NonceMemory {
  /** Nonces by signer, in the order of their end. */
  readonly #seen = new Map<string, Map<string, number>>()
  readonly #capacity: number

  constructor(capacity = perSigner) {
    this.#capacity = capacity
  }

  /** Takes `nonce` until `until` (s); anything but `new` means that it must not be answered. */
  take(signer: string, nonce: string, now: number, until: number): "new" | "replayed" | "full" {
    const seen = this.#seen.get(signer) ?? new Map<string, number>()
    this.#seen.set(signer, seen)
    // Nearly in order: whoever is a little out of turn is kept a little longer.
    for (const [old, end] of seen) {
      if (end >= now) break
      seen.delete(old)
    }
    if (seen.has(nonce)) return "replayed"
    if (seen.size >= this.#capacity) return "full"
    seen.set(nonce, until)
    return "new"
  }

  /** Forgets signers that are none any more. */
  retain(signers: ReadonlySet<string>): void {
    for (const signer of this.#seen.keys()) if (!signers.has(signer)) this.#seen.delete(signer)
  }

  get size(): number {
    let size = 0
    for (const seen of this.#seen.values()) size += seen.size
    return size
  }
}
