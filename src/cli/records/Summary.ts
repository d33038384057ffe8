/** What became of an import: how many, and of what was refused why, with the first lines of each. */
import { Option } from "effect"
import * as Publishing from "../../http/Publishing.ts"
import * as Name from "../../wire/Name.ts"
import type { Item, Read } from "./ImportText.ts"
import type { Outcome } from "./Targets.ts"

/** Lines named for each reason. */
const named = 5

interface Refused {
  count: number
  readonly first: Array<string>
}

export class Summary {
  #read = 0
  #published = 0
  #over = 0
  #unserved = 0
  readonly #refused = new Map<string, Refused>()
  readonly #where: string
  readonly #zones: ReadonlyArray<string>

  constructor(where: string, zones: ReadonlyArray<string>) {
    this.#where = where
    this.#zones = zones
  }

  /** What is to be published: neither unreadable nor over by `now` (s). */
  admit(read: Read, now: number): Option.Option<Item> {
    this.#read++
    if (read._tag === "Unreadable") {
      this.#refuse("unreadable", `line ${read.line}: ${read.problem}`)
      return Option.none()
    }
    if (read.expiresAt !== undefined && read.expiresAt <= now) {
      this.#over++
      return Option.none()
    }
    return Option.some(read)
  }

  published(batch: ReadonlyArray<Item>, outcomes: ReadonlyArray<Outcome>): void {
    for (const [at, { line, name }] of batch.entries()) {
      const outcome = outcomes[at]
      if (outcome !== undefined) {
        this.#refuse(outcome.code, `line ${line}: ${name}: ${outcome.error}`)
        continue
      }
      this.#published++
      const owner = Publishing.spelled(name).toLowerCase()
      if (this.#zones.length > 0 && !this.#zones.some((zone) => Name.isWithin(owner, zone)))
        this.#unserved++
    }
  }

  #refuse(code: string, line: string): void {
    const held = this.#refused.get(code)
    if (held === undefined) this.#refused.set(code, { count: 1, first: [line] })
    else {
      held.count++
      if (held.first.length < named) held.first.push(line)
    }
  }

  get failures(): number {
    return [...this.#refused.values()].reduce((sum, { count }) => sum + count, 0)
  }

  get plain() {
    return {
      into: this.#where,
      read: this.#read,
      published: this.#published,
      already_over: this.#over,
      in_no_zone: this.#unserved,
      refused: Object.fromEntries(
        [...this.#refused].map(([code, { count, first }]) => [code, { count, first }])
      )
    }
  }

  get text(): string {
    const reasons = [...this.#refused].flatMap(([code, { count, first }]) => [
      `refused, ${code}: ${count}`,
      ...first.map((line) => `  ${line}`),
      ...(count > first.length ? [`  and ${count - first.length} more`] : [])
    ])
    return [
      `into ${this.#where}: ${this.#read} read, ${this.#published} published, ${this.#over} over already, ${this.failures} refused`,
      ...(this.#unserved > 0
        ? [`${this.#unserved} of them are in no zone of this node and will not be answered`]
        : []),
      ...reasons
    ].join("\n")
  }
}
