/** The statements of one commit: at most three, however many rows it has. */
import type { Packed } from "./RecordChanges.ts"
import type { Bound } from "./SqliteConnection.ts"

const insert =
  "INSERT INTO records (name, value, ttl, created_at, expires_at, stored_ts, value_hash)"
const refresh = `ON CONFLICT (name, value) DO UPDATE SET
    ttl = excluded.ttl, created_at = excluded.created_at, expires_at = excluded.expires_at,
    stored_ts = excluded.stored_ts, value_hash = excluded.value_hash`

const upsert = `${insert}
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?, value ->> 5
  FROM json_each(?) WHERE true
  ${refresh}`

// A row by itself takes SQLite a tenth less than the same row as JSON.
const upsertOne = `${insert} VALUES (?, ?, ?, ?, ?, ?, ?) ${refresh}`

const remove = `DELETE FROM records
  WHERE (name, value) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))`

/** No row that is gone had a later `stored_ts`. */
export const mark = "UPDATE dnsmesh_meta SET value = ? WHERE key = 'stored-mark'"

/** What makes the changes; all puts get the same `storedTs`. */
export const statements = (
  { puts, removals }: Pick<Packed, "puts" | "removals">,
  storedTs: number
): ReadonlyArray<Bound> => {
  const removing: ReadonlyArray<Bound> =
    removals === ""
      ? []
      : [
          [remove, removals],
          [mark, storedTs]
        ]
  if (puts === "") return removing
  if (typeof puts === "string") return [...removing, [upsert, storedTs, puts]]
  const [name, value, ttl, createdAt, expiresAt, hash] = puts
  return [...removing, [upsertOne, name, value, ttl, createdAt, expiresAt, storedTs, hash]]
}
