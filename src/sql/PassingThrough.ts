/** Reading everything once: pages kept of it would be memory that is never given back. */
import { SqlClient } from "@effect/sql/SqlClient"
import { Effect } from "effect"

/** Pages kept meanwhile. */
const passingPages = 200

/** Runs `reading` with a small page cache on this connection. */
export const passingThrough = <A, E, R>(reading: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const [kept] = yield* sql<{ cache_size: number }>`PRAGMA cache_size`
    const resize = (pages: number) => sql`PRAGMA cache_size = ${sql.literal(String(pages))}`
    yield* resize(passingPages)
    return yield* Effect.ensuring(reading, Effect.ignore(resize(kept?.cache_size ?? 0)))
  })
