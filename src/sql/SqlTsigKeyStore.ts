/**
 * `TsigKeyStore` over the `…_tsig.db` of any release. Other processes (the operator's tools)
 * may write beside it; `revision` tells that they have.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Schema } from "effect"
import { canonicalName, type TsigKey } from "../auth/TsigKey.ts"
import { TsigKeyStore, type TsigKeyStoreShape } from "../auth/TsigKeyStore.ts"
import * as HostedStore from "./HostedStore.ts"
import { OpenError } from "./OpenError.ts"
import * as SqliteFile from "./SqliteFile.ts"
import { asStoreError, messageOf } from "./SqlReason.ts"
import * as TsigSchema from "./TsigSchema.ts"

interface Columns {
  readonly name: string
  readonly algorithm: string
  readonly secret: Uint8Array
  readonly allowed_suffixes: string
  readonly created_at: number
  readonly expires_at: number
  readonly revoked: number
  readonly subject: string
  readonly registered_spk: string
  readonly registered_x25519_pub: string
}

/** The file spells names with a final dot. */
const stored = (name: string): string => `${canonicalName(name)}.`

const suffixes = (allowed: ReadonlyArray<string>): string => [...allowed].sort().join("\n")

const toKey = (row: Columns): TsigKey => ({
  name: canonicalName(row.name),
  algorithm: row.algorithm.toLowerCase().replace(/\.$/, ""),
  // A copy of its own: the driver's buffer may be a view of a larger one.
  secret: Uint8Array.from(row.secret),
  allowedSuffixes: row.allowed_suffixes.split("\n").filter((suffix) => suffix !== ""),
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  revoked: row.revoked !== 0,
  subject: row.subject,
  registeredSpk: row.registered_spk,
  registeredX25519Pub: row.registered_x25519_pub
})

// `data_version` moves with the commits of others only; ours are counted in the lower digits.
const otherCommit = 2 ** 32

const make = (sql: SqlClient.SqlClient): TsigKeyStoreShape => {
  let own = 0
  const changes = Effect.map(sql<{ n: number }>`SELECT changes() AS n`, ([row]) => row?.n ?? 0)
  /** Runs one writing statement; yields how many rows it changed. */
  const write = <E>(statement: Effect.Effect<unknown, E>) =>
    asStoreError(
      sql.withTransaction(
        Effect.zipRight(
          statement,
          Effect.tap(changes, () => Effect.sync(() => own++))
        )
      )
    )
  return {
    revision: asStoreError(
      Effect.map(
        sql<{ data_version: number }>`PRAGMA data_version`,
        ([row]) => (row?.data_version ?? 0) * otherCommit + own
      )
    ),
    list: asStoreError(
      Effect.map(sql<Columns>`SELECT * FROM tsig_keys ORDER BY name`, (rows) => rows.map(toKey))
    ),
    find: (name) =>
      asStoreError(
        Effect.map(
          sql<Columns>`SELECT * FROM tsig_keys WHERE name = ${stored(name)}`,
          ([row]) => row && toKey(row)
        )
      ),
    put: (key) =>
      Effect.asVoid(
        write(
          sql`INSERT OR REPLACE INTO tsig_keys (name, algorithm, secret, allowed_suffixes,
              created_at, expires_at, revoked, subject, registered_spk, registered_x25519_pub)
            VALUES (${stored(key.name)}, ${key.algorithm}, ${key.secret},
              ${suffixes(key.allowedSuffixes)}, ${key.createdAt}, ${key.expiresAt},
              ${key.revoked ? 1 : 0}, ${key.subject}, ${key.registeredSpk},
              ${key.registeredX25519Pub})`
        )
      ),
    rekey: (name, secret, now) =>
      Effect.map(
        write(
          sql`UPDATE tsig_keys SET secret = ${secret} WHERE name = ${stored(name)}
            AND revoked = 0 AND (expires_at = 0 OR expires_at > ${now})`
        ),
        (count) => count > 0
      ),
    revoke: (name) =>
      Effect.map(
        write(sql`UPDATE tsig_keys SET revoked = 1 WHERE name = ${stored(name)} AND revoked = 0`),
        (count) => count > 0
      ),
    revokeSubject: (subject) =>
      write(
        sql`UPDATE tsig_keys SET revoked = 1
          WHERE subject = ${subject} AND subject <> '' AND revoked = 0`
      ),
    rescope: (name, allowedSuffixes) =>
      Effect.map(
        write(
          sql`UPDATE tsig_keys SET allowed_suffixes = ${suffixes(allowedSuffixes)}
            WHERE name = ${stored(name)}`
        ),
        (count) => count > 0
      ),
    purge: (now, retention, limit) =>
      asStoreError(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`DELETE FROM dnsmesh_tsig_revoked WHERE name NOT IN (
              SELECT name FROM tsig_keys WHERE revoked <> 0)`
            yield* sql`INSERT OR IGNORE INTO dnsmesh_tsig_revoked (name, seen_at)
              SELECT name, ${now} FROM tsig_keys WHERE revoked <> 0`
            yield* sql`DELETE FROM tsig_keys WHERE name IN (
              SELECT name FROM tsig_keys
              WHERE (expires_at <> 0 AND expires_at <= ${now - retention})
                OR name IN (SELECT name FROM dnsmesh_tsig_revoked
                            WHERE seen_at <= ${now - retention})
              LIMIT ${limit})`
            const count = yield* changes
            if (count > 0) own++
            return count
          })
        )
      )
  }
}

/** Migrates what `SqlClient` has open at `path`. */
const layer = (path: string): Layer.Layer<TsigKeyStore, OpenError, SqlClient.SqlClient> =>
  Layer.effect(
    TsigKeyStore,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* TsigSchema.migrate(sql)
      return make(sql)
    }).pipe(
      Effect.mapError(
        (error) => new OpenError({ reason: "migration", path, message: messageOf(error) })
      )
    )
  )

/** Over the file at `path`, beside whoever else has it open. */
export const layerFile = (path: string): Layer.Layer<TsigKeyStore, OpenError> =>
  layer(path).pipe(
    Layer.provide(SqliteFile.layer({ path, userVersion: TsigSchema.version, exclusive: false }))
  )

export const hosted = HostedStore.make(TsigKeyStore, {
  name: "tsig-keys",
  errors: Schema.Never,
  members: {
    revision: "effect",
    list: "effect",
    find: "call",
    put: "call",
    rekey: "call",
    revoke: "call",
    revokeSubject: "call",
    rescope: "call",
    purge: "call"
  },
  layer: layerFile
})
