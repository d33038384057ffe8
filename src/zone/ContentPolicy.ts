/**
 * What a value must be to be held at an owner name, asked by the publisher about every
 * added value. `zone/` knows TXT only; `auth/RecordPolicy` knows the mesh's record types.
 */
import { Context, Layer, Schema } from "effect"
import type { Name } from "../wire/Name.ts"
import type { WriteGrant } from "./WriteGrant.ts"

export class ContentRefused extends Schema.TaggedError<ContentRefused>()("ContentRefused", {
  /** Short, stable, lower case with hyphens; shown to the writer. */
  reason: Schema.String
}) {}

export interface ContentVerdict {
  /** Octets this kind of value may have, where its own cap differs from the general one. */
  readonly maxValueBytes?: number
  /** Seconds this kind of value may live, where its own cap differs from the general one. */
  readonly maxTtl?: number
  /** True for a value already held that the new one replaces. */
  readonly supersedes?: (held: string) => boolean
}

export class ContentPolicy extends Context.Tag("dnsmesh/zone/ContentPolicy")<
  ContentPolicy,
  {
    /** Synchronous and total. `now` in Unix seconds. */
    readonly judge: (
      owner: Name,
      value: string,
      now: number,
      grant: WriteGrant
    ) => ContentVerdict | ContentRefused
  }
>() {
  /** Every value is as good as any other. */
  static readonly layerAcceptAll = Layer.succeed(ContentPolicy, { judge: () => ({}) })
}
