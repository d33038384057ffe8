/**
 * The list at the head of an archive: what it holds and what each file must hash to.
 * Invariant: names in it cannot lead anywhere but into the directory they are extracted to.
 */
import { Schema } from "effect"

/** Raised when an older release could misread what a newer one writes. */
export const format = 1 as const

/** The first entry of every archive. */
export const manifestName = "manifest.json"

const safeName = /^(databases|secrets)\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$/

const shared = {
  name: Schema.String.pipe(Schema.pattern(safeName)),
  /** Octets. */
  bytes: Schema.NonNegativeInt,
  /** Lower-case hex. */
  sha256: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))
}

export const DatabaseEntry = Schema.Struct({
  kind: Schema.Literal("database"),
  ...shared,
  /** What it holds, such as `records`. */
  role: Schema.String.pipe(Schema.pattern(/^[a-z][A-Za-z0-9]{0,30}$/)),
  userVersion: Schema.NonNegativeInt,
  /** The last migration of ours it had. */
  step: Schema.NonNegativeInt,
  rows: Schema.Record({ key: Schema.String, value: Schema.NonNegativeInt })
})

export const SecretEntry = Schema.Struct({
  kind: Schema.Literal("secret"),
  ...shared,
  /** The environment variable that names the file, such as `DMP_OPERATOR_TOKEN_FILE`. */
  variable: Schema.String.pipe(Schema.pattern(/^[A-Z][A-Z0-9_]{0,60}$/))
})

export const Manifest = Schema.Struct({
  format: Schema.Literal(format),
  /** When the copying began, ISO 8601 in UTC: what was acknowledged before is in the archive. */
  createdAt: Schema.String,
  /** The release that wrote the archive. */
  version: Schema.String,
  commit: Schema.String,
  files: Schema.Array(Schema.Union(DatabaseEntry, SecretEntry))
})

export type DatabaseEntry = typeof DatabaseEntry.Type
export type SecretEntry = typeof SecretEntry.Type
export type Manifest = typeof Manifest.Type

export const decode = Schema.decodeUnknown(Schema.parseJson(Manifest))
export const encode = Schema.encode(Schema.parseJson(Manifest, { space: 2 }))
