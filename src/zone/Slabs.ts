/**
 * Gives out places of any size. Small ones lie in pages cut up for one size class each, and a
 * page all of whose places are free goes back to the others; larger ones are runs of pages.
 * Invariant: the pages of a class that are in its list are those that have a free place.
 */
import { type Arena, classesWord, pageRefs, pageWords, type Ref } from "./Arena.ts"
import { Pages } from "./Pages.ts"

/** The header of a page that is cut up, in words and in units. */
const next = 0
const previous = 1
const free = 2
const taken = 3
/** Places that were ever given out; those behind have never been. */
const begun = 4
const headerRefs = 4

const usable = pageRefs - headerRefs
/** Sizes by unit up to here; beyond, whole fractions of a page. */
const exact = 64

// Units of each size class; the first is 0, which no page has.
const sizes: Array<number> = [0]
for (let size = 4; size <= exact; size++) sizes.push(size)
for (let parts = Math.floor(usable / (exact + 1)); parts > 0; parts--)
  sizes.push(Math.floor(usable / parts))

/** The smallest class that holds so many units. */
const classOfSize = new Uint8Array(usable + 1)
for (let units = usable, at = sizes.length - 1; units >= 0; units--) {
  while (at > 1 && (sizes[at - 1] ?? 0) >= units) at--
  classOfSize[units] = at
}

/** Added to the class of pages that hold nodes, so that these are found by their pages. */
export const nodes = 128

export const pageOf = (ref: Ref): number => Math.floor(ref / pageRefs)

export class Slabs {
  readonly pages: Pages
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
    this.pages = new Pages(arena)
  }

  /** A place of at least so many octets, with whatever was there before. */
  take(octets: number, kind = 0): Ref {
    const units = (octets + 7) >>> 3
    if (units > usable) return this.pages.take(Math.ceil(units / pageRefs)) * pageRefs
    const sizeClass = (classOfSize[units] ?? 0) + kind
    const page = this.#word(classesWord + sizeClass) || this.#open(sizeClass)
    const base = page * pageWords
    const size = sizes[sizeClass & (nodes - 1)] ?? 0
    const { words } = this.#arena
    words[base + taken] = this.#word(base + taken) + 1
    const held = this.#word(base + free)
    if (held !== 0) words[base + free] = this.#word(held * 2)
    const count = this.#word(base + begun)
    if (held === 0) words[base + begun] = count + 1
    if (this.#isFull(base, size)) this.#unlist(page, sizeClass)
    return held === 0 ? page * pageRefs + headerRefs + count * size : held
  }

  give(ref: Ref): void {
    const page = pageOf(ref)
    const sizeClass = this.pages.classOf(page)
    if (sizeClass === 0) return this.pages.give(page)
    const base = page * pageWords
    const { words } = this.#arena
    const wasFull = this.#isFull(base, sizes[sizeClass & (nodes - 1)] ?? 0)
    const left = this.#word(base + taken) - 1
    words[base + taken] = left
    words[ref * 2] = this.#word(base + free)
    words[base + free] = ref
    if (left === 0) {
      if (!wasFull) this.#unlist(page, sizeClass)
      this.pages.give(page)
    } else if (wasFull) this.#list(page, sizeClass)
  }

  /** The place at or behind `ref` that is the first of a node's page, given out before or not. */
  nodeAt(ref: Ref, end: number): Ref {
    let page = pageOf(ref)
    for (; page < end; page++) {
      const sizeClass = this.pages.classOf(page)
      if (sizeClass < nodes) continue
      const size = sizes[sizeClass & (nodes - 1)] ?? 0
      const first = page * pageRefs + headerRefs
      const index = Math.max(0, Math.ceil((ref - first) / size))
      if (index < this.#word(page * pageWords + begun)) return first + index * size
    }
    return 0
  }

  #isFull(base: number, size: number): boolean {
    return this.#word(base + free) === 0 && (this.#word(base + begun) + 1) * size > usable
  }

  #open(sizeClass: number): number {
    const page = this.pages.take(1)
    this.pages.setClass(page, sizeClass)
    this.#arena.words.fill(0, page * pageWords, page * pageWords + headerRefs * 2)
    this.#list(page, sizeClass)
    return page
  }

  #list(page: number, sizeClass: number): void {
    const { words } = this.#arena
    const head = this.#word(classesWord + sizeClass)
    words[page * pageWords + next] = head
    words[page * pageWords + previous] = 0
    if (head !== 0) words[head * pageWords + previous] = page
    words[classesWord + sizeClass] = page
  }

  #unlist(page: number, sizeClass: number): void {
    const { words } = this.#arena
    const after = this.#word(page * pageWords + next)
    const before = this.#word(page * pageWords + previous)
    if (before === 0) words[classesWord + sizeClass] = after
    else words[before * pageWords + next] = after
    if (after !== 0) words[after * pageWords + previous] = before
  }

  #word(at: number): number {
    return this.#arena.words[at] ?? 0
  }
}
