/**
 * The records of `DMP_ZONE_FILE`: what stands in the zones beside what clients publish. A file
 * with a mistake stops the node; every mistake is named with its line.
 */
import { readFileSync } from "node:fs"
import { isIPv4, isIPv6 } from "node:net"
import { Effect, Either, Option } from "effect"
import { ConfigMistakes, type Mistake } from "../runtime/ConfigMistakes.ts"
import { type as rrType } from "../wire/Codes.ts"
import * as Name from "../wire/Name.ts"
import * as MasterFile from "./MasterFile.ts"
import { encodeRdata, type StaticRecord } from "./StaticRecord.ts"

export interface Served {
  /** Most specific zones need not come first. */
  readonly zones: ReadonlyArray<Name.Name>
  /** Seconds; of records before any TTL or $TTL. */
  readonly ttl: number
}

/** Mistakes shown of one file. */
const shown = 20

class Wrong extends Error {}

const wrong = (problem: string): never => {
  throw new Wrong(problem)
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `3600` or `1h30m` (the notation of BIND), in seconds. */
const ttlOf = (text: string): number | undefined => {
  if (!/^(?:[0-9]+|(?:[0-9]+[smhdw])+)$/i.test(text)) return undefined
  const seconds = [...text.matchAll(/([0-9]+)([a-z]?)/gi)].reduce(
    (sum, [, digits, unit = ""]) => sum + Number(digits) * (units[unit.toLowerCase()] ?? 1),
    0
  )
  // RFC 2181 §8.
  return seconds <= 0x7fff_ffff ? seconds : wrong(`TTL ${text} is too long`)
}

const number = (text: string, what: string, max: number): number =>
  /^[0-9]{1,5}$/.test(text) && Number(text) <= max
    ? Number(text)
    : wrong(`${what} must be a number from 0 to ${max}`)

/** `text` as a whole name below `origin`; `.` is the empty one. */
const absolute = (text: string, origin: string | undefined): string => {
  if (text === ".") return ""
  if (text.endsWith(".")) return text.slice(0, -1)
  if (origin === undefined) return wrong(`${text} is relative, but there is no $ORIGIN yet`)
  return text === "@" ? origin : `${text}.${origin}`
}

const nameOf = (text: string, origin: string | undefined): Name.Name =>
  Option.getOrElse(Name.parse(absolute(text, origin)), () =>
    wrong(`${text} is no name this node can serve`)
  )

type Reader = (
  fields: ReadonlyArray<MasterFile.Token>,
  origin: string | undefined
) => readonly [type: number, rdata: Buffer]

const only = (fields: ReadonlyArray<MasterFile.Token>, count: number, what: string) =>
  fields.length === count ? fields.map(({ text }) => text) : wrong(`needs ${what}`)

/** `.` is a target that stands for none (RFC 7505). */
const target = (text: string, origin: string | undefined) =>
  text === "." ? "." : nameOf(text, origin)

const readers: Readonly<Record<string, Reader>> = {
  A: (fields) => {
    const [data = ""] = only(fields, 1, "one IPv4 address")
    if (!isIPv4(data)) wrong(`${data} is no IPv4 address`)
    return [rrType.A, encodeRdata({ type: "A", name: ".", data })]
  },
  AAAA: (fields) => {
    const [data = ""] = only(fields, 1, "one IPv6 address")
    if (!isIPv6(data) || data.includes("%")) wrong(`${data} is no IPv6 address`)
    return [rrType.AAAA, encodeRdata({ type: "AAAA", name: ".", data })]
  },
  NS: (fields, origin) => {
    const [host = ""] = only(fields, 1, "the name of one server")
    return [rrType.NS, encodeRdata({ type: "NS", name: ".", data: nameOf(host, origin) })]
  },
  MX: (fields, origin) => {
    const [preference = "", host = ""] = only(fields, 2, "a preference and the name of a server")
    const data = {
      preference: number(preference, "the preference", 65_535),
      exchange: target(host, origin)
    }
    return [rrType.MX, encodeRdata({ type: "MX", name: ".", data })]
  },
  // RFC 8659 §4.1: written out, because the value may hold any octet.
  CAA: (fields) => {
    const [flags = "", tag = "", value = ""] = only(fields, 3, "flags, a tag and a value")
    if (!/^[a-z0-9]{1,15}$/i.test(tag)) wrong(`${tag} is no CAA tag`)
    const octets = [number(flags, "the flags", 255), tag.length]
    return [rrType.CAA, Buffer.concat([Buffer.from(octets), Buffer.from(tag + value, "latin1")])]
  },
  TXT: (fields) => {
    if (fields.length === 0) wrong("needs a text")
    const strings = fields.map(({ text }) =>
      text.length <= 255 ? Buffer.from(text, "latin1") : wrong("a string is over 255 octets")
    )
    return [rrType.TXT, encodeRdata({ type: "TXT", name: ".", data: strings })]
  }
}

const types = Object.keys(readers).join(", ")

/** The records that `text` (octets as chars) spells, or everything wrong with it. */
export const parse = (
  text: string,
  { ttl: fallback, zones }: Served
): Either.Either<ReadonlyArray<StaticRecord>, ReadonlyArray<MasterFile.SyntaxMistake>> => {
  const read = MasterFile.entries(text)
  if (Either.isLeft(read)) return Either.left([read.left])
  const records: Array<StaticRecord> = []
  const mistakes: Array<MasterFile.SyntaxMistake> = []
  let origin: string | undefined = zones[0]
  let ttl: number | undefined
  let owner: Name.Name | undefined

  const directive = (name: string, [value, ...rest]: ReadonlyArray<MasterFile.Token>) => {
    if (value === undefined || rest.length > 0) return wrong(`${name} needs one value`)
    if (name === "$ORIGIN") origin = nameOf(value.text, origin)
    else if (name === "$TTL") ttl = ttlOf(value.text) ?? wrong(`${value.text} is no TTL`)
    else wrong(`${name} is not known here`)
  }

  const record = ({ indented, tokens }: MasterFile.Entry): StaticRecord => {
    const rest = [...tokens]
    if (!indented) owner = nameOf(rest.shift()?.text ?? "", origin)
    if (owner === undefined) return wrong("there is no owner name before it")
    let own: number | undefined
    for (let field = rest[0]; field !== undefined && !field.quoted; field = rest[0]) {
      const seconds = ttlOf(field.text)
      if (seconds !== undefined && own === undefined) own = seconds
      else if (field.text.toUpperCase() !== "IN") break
      rest.shift()
    }
    const type = (rest.shift()?.text ?? "").toUpperCase()
    if (type === "SOA") wrong("the SOA record is made from the settings, leave it out")
    const reader = Object.hasOwn(readers, type) ? readers[type] : undefined
    if (reader === undefined) return wrong(`${type === "" ? "no type" : type}: known are ${types}`)
    const [code, rdata] = reader(rest, origin)
    const at = owner
    if (!zones.some((zone) => Name.isWithin(at, zone)))
      wrong(`${at} is in no zone of this node; further zones are named in DMP_EXTRA_ZONES`)
    if (code === rrType.NS && !zones.includes(at))
      wrong(`NS below the apex would delegate ${at}, which this node does not do`)
    return { owner: at, type: code, ttl: own ?? ttl ?? fallback, rdata }
  }

  for (const entry of read.right) {
    const first = entry.tokens[0]?.text ?? ""
    const done = Either.try({
      try: () =>
        first.startsWith("$")
          ? directive(first.toUpperCase(), entry.tokens.slice(1))
          : void records.push(record(entry)),
      catch: (error) => (error instanceof Wrong ? error.message : String(error))
    })
    if (Either.isLeft(done)) mistakes.push({ line: entry.line, problem: done.left })
  }
  return mistakes.length > 0 ? Either.left(mistakes) : Either.right(records)
}

/** The records of the file at `path`; without one there are none. */
export const load = (
  path: Option.Option<string>,
  served: Served
): Effect.Effect<ReadonlyArray<StaticRecord>, ConfigMistakes> =>
  Option.match(path, {
    onNone: () => Effect.succeed([]),
    onSome: (file) =>
      Effect.try({
        try: () => readFileSync(file, "latin1"),
        catch: (error) => [mistake(`${file} cannot be read: ${String(error)}`)]
      }).pipe(
        Effect.flatMap((text) =>
          Either.mapLeft(parse(text, served), (mistakes) =>
            mistakes
              .slice(0, shown)
              .map(({ line, problem }) => mistake(`${file}, line ${line}: ${problem}`))
          )
        ),
        Effect.mapError((mistakes) => new ConfigMistakes({ mistakes }))
      )
  })

const mistake = (problem: string): Mistake => ({
  variable: "DMP_ZONE_FILE",
  // What the file holds may be anything; the report is one line of text a mistake.
  problem: problem.replace(/[^\x20-\x7e]/g, "?")
})
