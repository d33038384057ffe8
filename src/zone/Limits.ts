/** The caps that bind every writer, whichever door it came through. */
import { Context, Layer, Schema } from "effect"

export class LimitExceeded extends Schema.TaggedError<LimitExceeded>()("LimitExceeded", {
  limit: Schema.Literal(
    "ttl",
    "value-bytes",
    "values-per-name",
    "values-per-writer",
    "rrset-bytes",
    "value-characters",
    "records",
    "memory"
  ),
  /** The cap that was broken; seconds, octets or values. */
  cap: Schema.Number
}) {}

export interface LimitsShape {
  /** Longest TTL, in seconds. */
  readonly maxTtl: number
  /** Largest value, in octets of UTF-8. */
  readonly maxValueBytes: number
  /** Most live values at one owner name; 0 lifts the cap. */
  readonly maxValuesPerName: number
  /** Most live values one writer has at one name that many write; 0 lifts the cap. */
  readonly maxValuesPerWriter: number
  /** Live values in all at which writers with a quota may add no more; 0 lifts the cap. */
  readonly maxRecords: number
  /** Largest RRset on the wire, in octets, so that one TCP answer can always carry it. */
  readonly maxRrsetBytes: number
}

export class Limits extends Context.Tag("dnsmesh/zone/Limits")<Limits, LimitsShape>() {
  static readonly defaults: LimitsShape = {
    maxTtl: 86_400,
    maxValueBytes: 2048,
    maxValuesPerName: 64,
    maxValuesPerWriter: 16,
    maxRecords: 1_000_000,
    maxRrsetBytes: 60_000
  }
  static readonly layer = (options?: Partial<LimitsShape>) =>
    Layer.succeed(Limits, { ...Limits.defaults, ...options })
}

/** The TTL cap, if `ttl` (s) breaks it. */
export const ttlBroken = (limits: LimitsShape, ttl: number): LimitExceeded | undefined =>
  ttl > limits.maxTtl ? new LimitExceeded({ limit: "ttl", cap: limits.maxTtl }) : undefined

/** The size cap, if `value` breaks `maxBytes`. */
export const sizeBroken = (maxBytes: number, value: string): LimitExceeded | undefined =>
  Buffer.byteLength(value) > maxBytes
    ? new LimitExceeded({ limit: "value-bytes", cap: maxBytes })
    : undefined

// Readers split values at 255 octets, so a code point of two octets may be cut in half, and a
// quote ends a presentation string early: only what survives both is let in.
const unservable = /[^\x20-\x21\x23-\x7e]/

/** The character rule, if `value` breaks it: printable ASCII without the double quote. */
export const charactersBroken = (value: string): LimitExceeded | undefined =>
  unservable.test(value) ? new LimitExceeded({ limit: "value-characters", cap: 0 }) : undefined

/** Octets one value takes in an answer: fixed RR part with a compressed owner, and its strings. */
export const rrBytes = (value: string): number => {
  const octets = Buffer.byteLength(value)
  return 12 + octets + Math.max(1, Math.ceil(octets / 255))
}
