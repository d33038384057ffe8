/** The node itself, loaded when it is to run: no other command waits for all that it is made of. */
import { Effect } from "effect"

export const serve = Effect.flatMap(
  Effect.promise(() => import("./serve.ts")),
  ({ serve }) => serve
)
