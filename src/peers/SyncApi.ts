/**
 * What nodes of one cluster say to each other over `/v1/sync/*`. The three first messages are
 * those of released nodes; fields and routes they do not know are marked as extensions, and a
 * node that announces none of them is never asked for any.
 */
import { Option, Schema } from "effect"
import * as Name from "../wire/Name.ts"
import type { DigestCursor } from "../zone/RecordStore.ts"

/** Extensions this node serves: announced in every digest answer. */
export const extensions = ["hint", "deletions", "fingerprint", "zones"] as const
export type Extension = (typeof extensions)[number]

/** Zones one request may name; who has more asks for everything. */
export const maxZones = 32
export const maxPullNames = 256
/** Octets of a pull request; released nodes accept 16 KiB. */
export const maxPullBytes = 131_072
export const releasedMaxPullBytes = 16_384
export const defaultDigestLimit = 1000
export const maxDigestLimit = 10_000

export const start: DigestCursor = { storedTs: 0, owner: "", valueHash: "" }

const hash = /^[0-9a-f]{64}$/

export const formatCursor = (cursor: DigestCursor): string =>
  `${cursor.storedTs}:${cursor.owner}:${cursor.valueHash}`

/** `ts:name:hash`, or `ts:name`; the empty text is the start. */
export const parseCursor = (text: string): Option.Option<DigestCursor> => {
  if (text.trim() === "") return Option.some(start)
  const [ts = "", owner, ...rest] = text.split(":")
  const valueHash = rest.join(":")
  if (owner === undefined || !/^[0-9]{1,15}$/.test(ts) || owner.length > 253) return Option.none()
  if (valueHash !== "" && !hash.test(valueHash)) return Option.none()
  return Option.some({ storedTs: Number(ts), owner, valueHash })
}

/** Zones between commas; nothing when they are not that, or too many. */
export const parseZones = (text: string): Option.Option<ReadonlyArray<Name.Name>> => {
  const names = text.length > maxZones * 254 ? [] : text.split(",")
  return names.length === 0 || names.length > maxZones
    ? Option.none()
    : Option.all(names.map(Name.parse))
}

/** True for owners in one of `zones`, or for any where that is undefined. */
export const within =
  (zones: ReadonlyArray<Name.Name> | undefined) =>
  (owner: string): boolean =>
    zones === undefined || zones.some((zone) => Name.isWithin(owner, zone))

const Seconds = Schema.Int.pipe(Schema.between(0, 2 ** 31 - 1))

/** One row of a peer's store. `ts` in ms of its clock, `ttl` seconds left. */
export const DigestEntry = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9._-]{1,253}$/)),
  hash: Schema.String.pipe(Schema.pattern(hash)),
  ts: Schema.Int.pipe(Schema.nonNegative()),
  ttl: Seconds
})
export interface DigestEntry extends Schema.Schema.Type<typeof DigestEntry> {}

/** Entries are judged one by one: a bad one must not hide those around it. */
export const DigestPage = Schema.Struct({
  records: Schema.Array(Schema.Unknown),
  has_more: Schema.optional(Schema.Unknown),
  next_cursor: Schema.optional(Schema.Unknown),
  /** Extension: the server's clock in ms. */
  now: Schema.optional(Schema.Unknown),
  /** Extension: the latest `ts` the server has given out. */
  newest: Schema.optional(Schema.Unknown),
  /** Extension. */
  extensions: Schema.optional(Schema.Unknown)
})

export const PullRequest = Schema.Struct({ names: Schema.Array(Schema.String) })

export const PulledRecord = Schema.Struct({
  name: Schema.String,
  value: Schema.String,
  ttl: Schema.Int.pipe(Schema.positive()),
  /** Extension: ms since it was written by whoever published it. */
  age: Schema.optional(Schema.Number.pipe(Schema.finite(), Schema.nonNegative()))
})

export const PullPage = Schema.Struct({ records: Schema.Array(Schema.Unknown) })

/** `seq` is a u64 that JSON numbers cannot carry; readers take it from the wire. */
export const ManifestReply = Schema.Struct({ wire: Schema.String })

/** Extension: what became of a value that was once deleted. */
export class Deletion extends Schema.Class<Deletion>("Deletion")({
  name: Schema.String.pipe(Schema.maxLength(253)),
  hash: Schema.String.pipe(Schema.pattern(hash)),
  /** False when it was published again afterwards. */
  dead: Schema.Boolean,
  /** Orders accounts of one value; the higher is the later. */
  version: Schema.Int.pipe(Schema.nonNegative()),
  /** Milliseconds since then. */
  age: Schema.Number.pipe(Schema.finite(), Schema.nonNegative()),
  /** Milliseconds for which this is still to be remembered. */
  keep: Schema.Number.pipe(Schema.finite(), Schema.nonNegative())
}) {}

export const DeletionsPage = Schema.Struct({
  deletions: Schema.Array(Schema.Unknown),
  next: Schema.Int.pipe(Schema.nonNegative()),
  has_more: Schema.Boolean
})

/** Extension: one text per bucket of value hashes, equal when both nodes hold the same there. */
export const FingerprintReply = Schema.Struct({
  buckets: Schema.Array(Schema.String).pipe(Schema.maxItems(256))
})

/** Extension: who has something new. */
export const Hint = Schema.Struct({
  node_id: Schema.optional(Schema.String),
  endpoint: Schema.optional(Schema.String)
})
