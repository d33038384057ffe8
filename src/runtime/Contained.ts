/**
 * Where plain code behind an Effect boundary keeps its defects to itself: there is no fiber to
 * catch them, and one that escaped into an event handler would end the process.
 */
import { Either } from "effect"

/** What `work` yields, or what `onDefect` makes of what it threw. */
export const contained = <A>(work: () => A, onDefect: (defect: unknown) => A): A =>
  Either.getOrElse(Either.try({ try: work, catch: (defect) => defect }), onDefect)
