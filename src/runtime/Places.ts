/**
 * What is under way, each with a place of its own in an array; for what comes and goes thousands of
 * times a second. A `Set` or `Map` would do but for the collector: of one that has grown old each
 * table it has outgrown keeps what stood in it and points to the next, so that nearly all that ever
 * stood in it outlives every scavenge and waits for the whole heap to be collected.
 */
export interface Place<A> {
  readonly what: A
  /** -1 once it was given up. */
  at: number
}

export class Places<A> implements Iterable<A> {
  readonly #places: Array<Place<A>> = []

  get size(): number {
    return this.#places.length
  }

  take(what: A): Place<A> {
    const place = { what, at: this.#places.length }
    this.#places.push(place)
    return place
  }

  /** False when it was given up before. */
  giveUp(place: Place<A>): boolean {
    if (place.at < 0) return false
    const last = this.#places.pop()
    if (last !== undefined && last !== place) {
      this.#places[place.at] = last
      last.at = place.at
    }
    place.at = -1
    return true
  }

  *[Symbol.iterator](): Iterator<A> {
    for (const { what } of this.#places) yield what
  }
}
