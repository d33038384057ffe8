/**
 * What the main thread and a thread that answers beside it say to each other; the zone itself
 * both read from one memory. Invariant: plain data only, and messages of one side are taken in
 * the order they were sent.
 */
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
  /** Of the live zone. */
  readonly memory: SharedArrayBuffer
  /** Messages it may have waiting on the main thread; more are shed. */
  readonly maxForwarded: number
}

export type ToWorker =
  | { readonly _tag: "Serial"; readonly serial: number }
  /** One `Message` has had its answer. */
  | { readonly _tag: "Done" }
  /** Finish and end. */
  | { readonly _tag: "Stop" }

export type FromWorker =
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
