/**
 * What the main thread and a thread that answers beside it say to each other. Invariant:
 * plain data only, and messages of one side are taken in the order they were sent, so that a
 * thread's zone is the main one's of a moment ago.
 */
import type { RowChange } from "../zone/RecordStore.ts"
import type { ServedZone } from "../zone/ServedZones.ts"
import type { RateSettings } from "./Admission.ts"
import type { Tally } from "./DnsTally.ts"
import type { ReplySettings } from "./Responder.ts"
import type { Endpoint, Remote } from "./UdpServer.ts"

/** All a thread has to know before it starts. Buffers arrive as bare `Uint8Array`s. */
export interface Setup {
  readonly endpoints: ReadonlyArray<Endpoint>
  readonly replies: ReplySettings
  readonly rates: RateSettings
  readonly zones: ReadonlyArray<ServedZone>
  /** Messages it may have waiting on the main thread; more are shed. */
  readonly maxForwarded: number
}

/** Values at one wire key, each as its octets and the second it ends. */
export type HeldRrset = readonly [
  key: string,
  values: ReadonlyArray<readonly [octets: string, expiresAt: number]>
]

export type ToWorker =
  /** Some of what the zone held when the thread started; without `more` the last of it. */
  | {
      readonly _tag: "Held"
      readonly rrsets: ReadonlyArray<HeldRrset>
      readonly more: boolean
    }
  | { readonly _tag: "Changes"; readonly changes: ReadonlyArray<RowChange> }
  | { readonly _tag: "Serial"; readonly serial: number }
  /** One `Message` has had its answer. */
  | { readonly _tag: "Done" }
  /** Finish and end. */
  | { readonly _tag: "Stop" }

export type FromWorker =
  /** Asks for the next `Held`: nothing is sent ahead of it. */
  | { readonly _tag: "More" }
  | { readonly _tag: "Serving" }
  /** What the main thread has to answer. `host` is that of the endpoint it came to. */
  | {
      readonly _tag: "Message"
      readonly octets: Uint8Array
      readonly host: string
      readonly remote: Remote
    }
  /** Every second, also when there is nothing to tell: a thread that is silent is stuck. */
  | { readonly _tag: "Tally"; readonly tally: Tally }
  /** It cannot go on, and ends. */
  | { readonly _tag: "Failed"; readonly message: string }
