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

  /** Yields the number the reply has to carry. */
  add(resume: Resume<A>): number {
    const place = this.#free.pop() ?? this.#waiting.length
    const id = ++this.#given * places + place
    this.#waiting[place] = { id, resume }
    return id
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
