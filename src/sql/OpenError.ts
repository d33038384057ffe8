/** Why a database file was not opened. Whatever the file held before, it still holds. */
import { Schema } from "effect"

export class OpenError extends Schema.TaggedError<OpenError>()("OpenError", {
  reason: Schema.Literal(
    "no-path",
    "not-a-database",
    "newer-schema",
    "in-use",
    "corrupt",
    "unwritable",
    "migration",
    "other"
  ),
  path: Schema.String,
  /** One sentence for the operator; names the file. */
  message: Schema.String
}) {}
