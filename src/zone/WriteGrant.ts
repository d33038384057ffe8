/** What an authenticated writer may change. Made only in `auth/` and `peers/`. */
import { Data, Schema } from "effect"
import type { Name } from "../wire/Name.ts"

export type Operation = "add" | "delete"

export interface Quota {
  /** Tells writers apart in memory, and says nothing about them. */
  readonly writer: string
  /** True for names that many write, where each has a share. */
  readonly shares: (owner: Name) => boolean
}

export class WriteGrant extends Data.Class<{
  /** Who writes, for logs at DEBUG; never a secret. */
  readonly subject: string
  readonly allows: (operation: Operation, owner: Name) => boolean
  /** False for writers that may only add: re-posting somebody's value then never shortens its life. */
  readonly mayShorten: boolean
  /** True for records whose own signed expiry rules instead of the TTL cap. */
  readonly ignoresTtlCap: boolean
  /** What keeps this writer from filling the node, or names that others write too; none binds none. */
  readonly quota?: Quota
  /** The key the writer registered with, for a content policy that binds records to it; never logged. */
  readonly registeredSpk?: string
  /** Values whose signatures whoever made this grant has verified already. */
  readonly verified?: ReadonlySet<string>
}> {
  /** May do everything: the operator, the node itself. */
  static readonly everything = (subject: string): WriteGrant =>
    new WriteGrant({ subject, allows: () => true, mayShorten: true, ignoresTtlCap: false })
  /** May add and delete anywhere, but never take life from what is there: open mode. */
  static readonly open: WriteGrant = new WriteGrant({
    subject: "open",
    allows: () => true,
    mayShorten: false,
    ignoresTtlCap: false,
    quota: { writer: "open", shares: () => false }
  })
}

export class NotGranted extends Schema.TaggedError<NotGranted>()("NotGranted", {
  operation: Schema.Literal("add", "delete"),
  owner: Schema.String
}) {}
