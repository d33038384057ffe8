/**
 * The values of the live zone by the second each ends, on a wheel of as many lists as it has
 * seconds: eighteen hours. Invariant: a value is in exactly one list, that of its second or, if
 * that was passed already, of the one to be looked at next. Lists are threaded through the
 * values, so one that is refreshed leaves nothing behind.
 */
import { type Arena, type Ref, sweptWord, wheel, wheelSize } from "./Arena.ts"
import { value } from "./ZoneReader.ts"

export class Endings {
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** Seconds up to here have been looked at. */
  get swept(): number {
    return this.#word(sweptWord) >>> 0
  }

  set swept(second: number) {
    this.#arena.words[sweptWord] = second
  }

  /** Lists a value that is to end at `second`. */
  add(at: Ref, second: number): void {
    const { words } = this.#arena
    const list = wheel + (Math.max(second, this.swept + 1) & (wheelSize - 1))
    const head = this.#word(list)
    words[at * 2 + value.nextEnding] = head
    // A list's place is told from a value's by its sign.
    words[at * 2 + value.previousEnding] = -list
    if (head !== 0) words[head * 2 + value.previousEnding] = at
    words[list] = at
  }

  delete(at: Ref): void {
    const { words } = this.#arena
    const next = this.#word(at * 2 + value.nextEnding)
    const previous = this.#word(at * 2 + value.previousEnding)
    if (previous < 0) words[-previous] = next
    else words[previous * 2 + value.nextEnding] = next
    if (next !== 0) words[next * 2 + value.previousEnding] = previous
  }

  /** Gives each value that has ended by `now` to `end`, which takes it off. */
  sweep(now: number, end: (at: Ref) => void): void {
    const { swept } = this
    // Once round the wheel is every list there is, after a long pause or a step of the clock.
    const seconds = Math.min(now - swept, wheelSize)
    for (let i = 1; i <= seconds; i++) {
      let at = this.#word(wheel + ((swept + i) & (wheelSize - 1)))
      while (at !== 0) {
        const next = this.#word(at * 2 + value.nextEnding)
        if (this.#word(at * 2 + value.expiresAt) >>> 0 <= now) end(at)
        at = next
      }
    }
    this.swept = Math.max(swept, now)
  }

  #word(at: number): number {
    return this.#arena.words[at] ?? 0
  }
}
