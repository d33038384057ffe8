/** How an UPDATE ends, and what the publisher's errors are in the words of RFC 2136. */
import { Match } from "effect"
import type { RcodeName } from "../wire/Codes.ts"
import type { PublishError } from "../zone/WriteRequest.ts"

export interface Ending {
  readonly rcode: RcodeName
  /** Set when the sender has to repeat it over TCP. */
  readonly truncated?: true
  /** Set when a repetition of the same message may end differently: it is not remembered. */
  readonly passing?: true
  /** What it is counted as, where that is not the rcode. */
  readonly outcome?: string
}

const endings = new Map<RcodeName, Ending>()

/** One object for each rcode: the replay guard keeps a hundred thousand of them. */
export const end = (code: RcodeName): Ending => {
  const known = endings.get(code)
  if (known !== undefined) return known
  const ending: Ending = { rcode: code }
  endings.set(code, ending)
  return ending
}

export const failed: Ending = { rcode: "SERVFAIL", passing: true }

// SERVFAIL is "later", REFUSED would be "never": the throttle answers as a busy store does.
export const throttled: Ending = { rcode: "SERVFAIL", passing: true, outcome: "rate_limited" }

export const challenged: Ending = { rcode: "NOERROR", truncated: true, passing: true }

export const endingOf: (error: PublishError) => Ending = Match.type<PublishError>().pipe(
  Match.tagsExhaustive({
    NotGranted: () => end("REFUSED"),
    // A full node is one to try again later; every other cap is there to stay.
    LimitExceeded: ({ limit }) =>
      limit === "records" || limit === "memory" ? failed : end("REFUSED"),
    ContentRefused: () => end("REFUSED"),
    PrerequisiteFailed: (unmet) => end(unmet.rcode),
    StoreError: () => failed
  })
)
