/**
 * Records out of a text, as `RecordText` writes it or as other software does: JSON lines, or a
 * master file of which the TXT records are taken. Reads line by line, whatever the length of all;
 * a line that cannot be read is told and does not end the rest.
 */
import { Either, Option, Schema } from "effect"
import { toText } from "../../zone/LiveZone.ts"
import * as MasterFile from "../../zone/MasterFile.ts"
import type { Format } from "./RecordText.ts"

/** A record to publish. `ttl` in seconds; where `expiresAt` is known, that rules. */
export interface Item {
  readonly _tag: "Item"
  readonly line: number
  readonly name: string
  readonly value: string
  readonly ttl?: number
  /** Unix seconds. */
  readonly expiresAt?: number
}

export interface Unreadable {
  readonly _tag: "Unreadable"
  readonly line: number
  readonly problem: string
}

export type Read = Item | Unreadable

const JsonRecord = Schema.parseJson(
  Schema.Struct({
    name: Schema.String,
    value: Schema.String,
    ttl: Schema.optional(Schema.Int),
    expires_at: Schema.optional(Schema.Int)
  })
)
const decodeJson = Schema.decodeUnknownOption(JsonRecord)

/** Longest entry over several lines, in characters: a record is far shorter. */
const maxEntry = 1_048_576

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

const ttlOf = (text: string): number | undefined =>
  /^(?:[0-9]{1,10}|(?:[0-9]{1,10}[smhdw])+)$/i.test(text)
    ? [...text.matchAll(/([0-9]+)([a-z]?)/gi)].reduce(
        (sum, [, digits, unit = ""]) => sum + Number(digits) * (units[unit.toLowerCase()] ?? 1),
        0
      )
    : undefined

/** Reads one text; give it the lines in order, then ask for what is left. */
export class ImportText {
  #format: Format | undefined
  #line = 0
  #origin: string | undefined
  #ttl: number | undefined
  #owner: string | undefined
  /** Lines of an entry that is not closed yet, and where it began. */
  #open = ""
  #began = 0

  /** None: the first line that is not empty tells. */
  constructor(format: Option.Option<Format>) {
    this.#format = Option.getOrUndefined(format)
  }

  /** What the next line yields; its octets as chars, without the line's end. */
  next(line: string): ReadonlyArray<Read> {
    this.#line++
    if (line.trim() === "" && this.#open === "") return []
    this.#format ??= line.trimStart().startsWith("{") ? "json" : "zone"
    return this.#format === "json" ? [this.#json(line)] : this.#zone(line)
  }

  /** What is left when there are no more lines. */
  end(): ReadonlyArray<Read> {
    return this.#open === "" ? [] : [this.#unreadable(this.#began, "a ( is not closed")]
  }

  #unreadable(line: number, problem: string): Unreadable {
    return { _tag: "Unreadable", line, problem }
  }

  #json(line: string): Read {
    const record = decodeJson(toText(line))
    if (Option.isNone(record))
      return this.#unreadable(this.#line, "not a JSON object with name and value")
    const { expires_at, name, ttl, value } = record.value
    return {
      _tag: "Item",
      line: this.#line,
      name,
      value,
      ...(ttl === undefined ? {} : { ttl }),
      ...(expires_at === undefined ? {} : { expiresAt: expires_at })
    }
  }

  #zone(line: string): ReadonlyArray<Read> {
    const began = this.#open === "" ? this.#line : this.#began
    const text = this.#open + line + "\n"
    this.#open = ""
    const entries = MasterFile.entries(text)
    if (Either.isLeft(entries)) {
      if (entries.left.problem !== "a ( is not closed" || text.length > maxEntry)
        return [this.#unreadable(began, entries.left.problem)]
      this.#open = text
      this.#began = began
      return []
    }
    return entries.right.flatMap((entry) => this.#entry(entry, began))
  }

  #entry({ indented, tokens }: MasterFile.Entry, line: number): ReadonlyArray<Read> {
    const rest = [...tokens]
    const first = rest[0]?.text ?? ""
    if (first.startsWith("$") && !(rest[0]?.quoted ?? false))
      return this.#directive(first.toUpperCase(), rest[1]?.text ?? "", line)
    if (!indented) {
      this.#owner = this.#absolute(first)
      rest.shift()
    }
    if (this.#owner === undefined)
      return [this.#unreadable(line, "there is no whole owner name; $ORIGIN is missing")]
    let ttl: number | undefined
    for (let field = rest[0]; field !== undefined && !field.quoted; field = rest[0]) {
      const seconds = ttlOf(field.text)
      if (seconds !== undefined && ttl === undefined) ttl = seconds
      else if (field.text.toUpperCase() !== "IN") break
      rest.shift()
    }
    const type = rest.shift()?.text.toUpperCase() ?? ""
    if (type !== "TXT") return [this.#unreadable(line, `${type}: only TXT records are imported`)]
    const seconds = ttl ?? this.#ttl
    return [
      {
        _tag: "Item",
        line,
        name: this.#owner,
        value: toText(rest.map(({ text }) => text).join("")),
        ...(seconds === undefined ? {} : { ttl: seconds })
      }
    ]
  }

  #directive(name: string, value: string, line: number): ReadonlyArray<Read> {
    if (name === "$ORIGIN") this.#origin = this.#absolute(value) ?? this.#origin
    else if (name === "$TTL") this.#ttl = ttlOf(value)
    else return [this.#unreadable(line, `${name} is not known here`)]
    return []
  }

  #absolute(name: string): string | undefined {
    if (name.endsWith(".")) return name.slice(0, -1)
    if (this.#origin === undefined) return undefined
    return name === "@" ? this.#origin : `${name}.${this.#origin}`
  }
}
