/**
 * Who waits for which numbered reply. Invariant: no number is given twice. No `Map`, for the reason
 * that `runtime/Places` gives.
 */
type Resume<A> = (reply: A) => void

interface Waiter<A> {
  readonly id: number
  readonly resume: Resume<A>
}

/** Places at most. A number is its place and, above that, how many numbers came before it. */
const places = 2 ** 20

export class Pending<A> {
  readonly #waiting: Array<Waiter<A> | undefined> = []
  readonly #free: Array<number> = []
  #given = 0

  /** The number the next reply waited for has to carry. */
  next(): number {
    return ++this.#given * places + (this.#free.at(-1) ?? this.#waiting.length)
  }

  /** `id` as `next` has just given it. */
  add(id: number, resume: Resume<A>): void {
    this.#free.pop()
    this.#waiting[id % places] = { id, resume }
  }

  /** Whoever waits for this reply, if somebody still does. */
  take(id: number): Resume<A> | undefined {
    const place = id % places
    const waiter = this.#waiting[place]
    if (waiter?.id !== id) return undefined
    this.#waiting[place] = undefined
    this.#free.push(place)
    return waiter.resume
  }

  /** Everybody: there will be no replies. */
  takeAll(): ReadonlyArray<Resume<A>> {
    const all = this.#waiting.flatMap((waiter) => (waiter === undefined ? [] : [waiter.resume]))
    this.#waiting.length = 0
    this.#free.length = 0
    return all
  }
}
