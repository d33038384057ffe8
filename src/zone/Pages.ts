/**
 * Gives out runs of the arena's pages and takes them back. Free runs that touch are one.
 * Invariant: the page word of a run's first page is its length (`used`), its size class when it
 * is one page cut up by `Slabs`, or minus its length while it is free, and then its last page's
 * too; any other page's is no size class.
 */
import {
  type Arena,
  firstPage,
  freeWord,
  pageWords,
  regionPages,
  regionTable,
  runsWord,
  topWord,
  ZoneFull
} from "./Arena.ts"

/** Page words from here on are lengths of used runs, times this; below are size classes. */
const used = 256
/** Free runs looked at in the list where not all are long enough. */
const looks = 32

/** Where the page word of `page` stands. */
export const pageWord = (page: number): number =>
  (page & ~(regionPages - 1)) * pageWords + (page & (regionPages - 1))

const listOf = (length: number): number => runsWord + 31 - Math.clz32(length)
const lists = 17

// A free run's first page names its neighbours in the list.
const nextRun = 0
const previousRun = 1

export class Pages {
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** The size class of `page`; 0 when it is not cut up. */
  classOf(page: number): number {
    const word = this.#word(pageWord(page))
    return word > 0 && word < used ? word : 0
  }

  setClass(page: number, sizeClass: number): void {
    this.#arena.words[pageWord(page)] = sizeClass
  }

  /** Pages in use are below. */
  get top(): number {
    return this.#word(topWord)
  }

  /** Pages in free runs. */
  get free(): number {
    return this.#word(freeWord)
  }

  /** Pages above those in use that could still be given out. */
  get fresh(): number {
    return this.#above().reduce((sum, pages) => sum + pages, 0)
  }

  /** As `fresh`, of those in a row. */
  get longestFresh(): number {
    return Math.max(0, ...this.#above())
  }

  /** True when so many pages, in runs of any length, can be cut off one free run. */
  hasRunFor(pages: number): boolean {
    // Four times as long: what is left is longer than its list's shortest, where a look finds it.
    for (let list = listOf(pages) + 2; list < runsWord + lists; list++)
      if (this.#word(list) !== 0) return true
    return false
  }

  /** Makes usable what the next `pages` pages may lie in; false when it is not to be had. */
  reach(pages: number): boolean {
    const end = this.top + pages
    const region = (this.top | (regionPages - 1)) + 1
    const last = end <= region ? end : region + regionTable + pages
    return this.#arena.grow(Math.min(this.#arena.most, last))
  }

  /** The first of `length` pages in a row. */
  take(length: number): number {
    const page = this.#fitting(length) ?? this.#fresh(length)
    this.#mark(page, length, length * used, 0)
    return page
  }

  /** Gives back the run that begins at `page`. */
  give(page: number): void {
    const word = this.#word(pageWord(page))
    let start = page
    let end = page + (word >= used ? Math.floor(word / used) : 1)
    this.#arena.words[pageWord(page)] = 0
    if ((start & (regionPages - 1)) !== regionTable && start > firstPage) {
      const before = this.#word(pageWord(start - 1))
      if (before < 0) {
        start += before
        this.#unlist(start, -before)
      }
    }
    if (end < this.top && (end & (regionPages - 1)) !== 0) {
      const after = this.#word(pageWord(end))
      if (after < 0) {
        this.#unlist(end, -after)
        end -= after
      }
    }
    if (end === this.top) this.#arena.words[topWord] = start
    else this.#list(start, end - start)
  }

  /** Pages above those in use, by region. */
  #above(): ReadonlyArray<number> {
    const { most } = this.#arena
    const regions: Array<number> = []
    for (let start = this.top; start < most; start = (start | (regionPages - 1)) + 1) {
      const first = (start & (regionPages - 1)) === 0 ? start + regionTable : start
      regions.push(Math.max(0, Math.min(most, (start | (regionPages - 1)) + 1) - first))
    }
    return regions
  }

  #fitting(length: number): number | undefined {
    let run = this.#word(listOf(length))
    for (let i = 0; run !== 0 && i < looks; i++) {
      const held = -this.#word(pageWord(run))
      if (held >= length) return this.#cut(run, held, length)
      run = this.#word(run * pageWords + nextRun)
    }
    for (let list = listOf(length) + 1; list < runsWord + lists; list++) {
      run = this.#word(list)
      if (run !== 0) return this.#cut(run, -this.#word(pageWord(run)), length)
    }
    return undefined
  }

  #cut(run: number, held: number, length: number): number {
    this.#unlist(run, held)
    if (held > length) this.#list(run + length, held - length)
    return run
  }

  /** From above all pages in use; a run lies within one region. */
  #fresh(length: number): number {
    if (length > regionPages - regionTable) throw new ZoneFull(this.#arena.memory.maxByteLength)
    let start = this.top
    const at = start & (regionPages - 1)
    if (at === 0) start += regionTable
    else if (at + length > regionPages) {
      const next = start + regionPages - at
      this.#arena.ensure(next)
      this.#arena.words[topWord] = next
      this.#list(start, next - start)
      start = next + regionTable
    }
    this.#arena.ensure(start + length)
    this.#arena.words[topWord] = start + length
    return start
  }

  #mark(page: number, length: number, first: number, last: number): void {
    const { words } = this.#arena
    if (length > 1) words[pageWord(page + length - 1)] = last
    words[pageWord(page)] = first
  }

  #list(page: number, length: number): void {
    const { words } = this.#arena
    this.#mark(page, length, -length, -length)
    words[freeWord] = this.free + length
    const list = listOf(length)
    const next = this.#word(list)
    words[page * pageWords + nextRun] = next
    words[page * pageWords + previousRun] = 0
    if (next !== 0) words[next * pageWords + previousRun] = page
    words[list] = page
  }

  #unlist(page: number, length: number): void {
    const { words } = this.#arena
    const next = this.#word(page * pageWords + nextRun)
    const previous = this.#word(page * pageWords + previousRun)
    if (previous === 0) words[listOf(length)] = next
    else words[previous * pageWords + nextRun] = next
    if (next !== 0) words[next * pageWords + previousRun] = previous
    words[freeWord] = this.free - length
    // Neither end may be taken for the end of a free run once it lies within another.
    this.#mark(page, length, 0, 0)
  }

  #word(at: number): number {
    return this.#arena.words[at] ?? 0
  }
}
