/** What a writer may ask of the publisher, what it gets, and why it may be refused. */
import { Schema } from "effect"
import type { Name } from "../wire/Name.ts"
import type { ContentRefused } from "./ContentPolicy.ts"
import type { LimitExceeded } from "./Limits.ts"
import type { StoreError } from "./RecordStore.ts"
import type { TxtRecord } from "./TxtRecord.ts"
import type { NotGranted, WriteGrant } from "./WriteGrant.ts"

export type Change =
  | {
      readonly _tag: "Add"
      readonly record: TxtRecord
      /** When it was first accepted elsewhere (s), for copies from peers; now when absent. */
      readonly createdAt?: number
    }
  | { readonly _tag: "DeleteValue"; readonly owner: Name; readonly value: string }
  | { readonly _tag: "DeleteRrset"; readonly owner: Name }

/** RFC 2136 §2.4, as far as TXT data decides it. */
export type Prerequisite =
  | { readonly _tag: "NameInUse"; readonly owner: Name }
  | { readonly _tag: "NameNotInUse"; readonly owner: Name }
  | { readonly _tag: "RrsetExists"; readonly owner: Name }
  | { readonly _tag: "RrsetDoesNotExist"; readonly owner: Name }
  | { readonly _tag: "RrsetEquals"; readonly owner: Name; readonly values: ReadonlyArray<string> }

export class PrerequisiteFailed extends Schema.TaggedError<PrerequisiteFailed>()(
  "PrerequisiteFailed",
  { rcode: Schema.Literal("NXDOMAIN", "YXDOMAIN", "NXRRSET", "YXRRSET"), owner: Schema.String }
) {}

export interface WriteRequest {
  readonly grant: WriteGrant
  readonly changes: ReadonlyArray<Change>
  readonly prerequisites?: ReadonlyArray<Prerequisite>
}

/** How many values were new, were given a new lifetime, and went. */
export interface Applied {
  readonly added: number
  readonly refreshed: number
  readonly removed: number
}

export type PublishError =
  NotGranted | LimitExceeded | ContentRefused | PrerequisiteFailed | StoreError
