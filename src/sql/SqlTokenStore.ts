/**
 * `TokenStore` over the `…_tokens.db` of any release. Every method is one transaction on the
 * file's only connection of this process; other processes (the operator's tools) may write
 * beside it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Schema } from "effect"
import { type AuditRow, lifecycle, subjectRevoked } from "../auth/AuditRow.ts"
import * as Ownership from "../auth/Ownership.ts"
import * as Subject from "../auth/Subject.ts"
import { mintAudit, supersedes, type TokenRow } from "../auth/TokenRow.ts"
import {
  type ClaimOutcome,
  type MintOutcome,
  TokenStore,
  type TokenStoreShape
} from "../auth/TokenStore.ts"
import * as Inheritance from "../auth/Inheritance.ts"
import * as AuditRows from "./AuditRows.ts"
import * as HostedStore from "./HostedStore.ts"
import { OpenError } from "./OpenError.ts"
import * as OwnerRows from "./OwnerRows.ts"
import * as SqliteFile from "./SqliteFile.ts"
import { asStoreError, messageOf } from "./SqlReason.ts"
import * as TokenSchema from "./TokenSchema.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

interface TokenColumns {
  readonly token_hash: string
  readonly subject: string
  readonly subject_type: number
  readonly subject_hash12: string | null
  readonly rate_per_sec: number
  readonly rate_burst: number
  readonly issued_at: number
  readonly expires_at: number | null
  readonly revoked_at: number | null
  readonly issuer: string
  readonly note: string
  readonly registered_spk: string | null
}

const toToken = (row: TokenColumns): TokenRow => ({
  tokenHash: row.token_hash,
  subject: Subject.unsafeMake(row.subject),
  subjectType: row.subject_type,
  subjectHash12: row.subject_hash12,
  ratePerSec: row.rate_per_sec,
  rateBurst: row.rate_burst,
  issuedAt: row.issued_at,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
  issuer: row.issuer,
  note: row.note,
  // The reference writes "" as well as NULL for an admin's token.
  registeredSpk: row.registered_spk === "" ? null : row.registered_spk
})

const make = (sql: SqlClient.SqlClient): TokenStoreShape => {
  const all = sql.literal("*")
  const unrevoked = (subject: Subject.Subject) =>
    Effect.map(
      sql<TokenColumns>`SELECT ${all} FROM tokens WHERE subject = ${subject} AND revoked_at IS NULL`,
      (rows) => rows.map(toToken)
    )
  const insert = (row: TokenRow) =>
    sql`INSERT INTO tokens (token_hash, subject, subject_type, subject_hash12, rate_per_sec,
          rate_burst, issued_at, expires_at, revoked_at, issuer, note, registered_spk)
        VALUES (${row.tokenHash}, ${row.subject}, ${row.subjectType}, ${row.subjectHash12},
          ${row.ratePerSec}, ${row.rateBurst}, ${row.issuedAt}, ${row.expiresAt},
          ${row.revokedAt}, ${row.issuer}, ${row.note}, ${row.registeredSpk})`
  const end = (hashes: ReadonlyArray<string>, now: number) =>
    sql`UPDATE tokens SET revoked_at = ${now}
        WHERE token_hash IN (SELECT value FROM json_each(${JSON.stringify(hashes)}))`
  const append = (rows: ReadonlyArray<AuditRow>) => AuditRows.append(sql, rows)
  const revokeSubject = (subject: Subject.Subject, now: number) =>
    Effect.gen(function* () {
      const rows = yield* unrevoked(subject)
      if (rows.length === 0) return 0
      yield* end(
        rows.map((row) => row.tokenHash),
        now
      )
      yield* append([subjectRevoked(subject, now, rows.length)])
      return rows.length
    })
  /** Takes the subject; when it changes hands, the former holder's tokens end with it. */
  const take = (claim: Ownership.Claim) =>
    Effect.gen(function* () {
      const taken = yield* OwnerRows.take(sql, claim)
      if (taken._tag === "Refused") return taken satisfies ClaimOutcome
      const ended = taken.changed ? yield* unrevoked(claim.subject) : []
      if (ended.length > 0) yield* revokeSubject(claim.subject, claim.now)
      const superseded = ended.map((row) => row.tokenHash)
      return { _tag: "Held", owner: taken.owner, superseded } satisfies ClaimOutcome
    })
  const changes = Effect.map(sql<{ n: number }>`SELECT changes() AS n`, ([row]) => row?.n ?? 0)
  const atomically = <A, E>(effect: Effect.Effect<A, E>) =>
    asStoreError(sql.withTransaction(effect))

  return {
    revision: asStoreError(
      Effect.map(
        sql<{ data_version: number }>`PRAGMA data_version`,
        ([row]) => row?.data_version ?? 0
      )
    ),
    listTokens: ({ includeRevoked, subject }) =>
      asStoreError(
        Effect.map(
          sql<TokenColumns>`SELECT ${all} FROM tokens
            WHERE (${subject ?? null} IS NULL OR subject = ${subject ?? null})
              AND (${includeRevoked ? 1 : 0} OR revoked_at IS NULL)
            ORDER BY issued_at DESC, rowid DESC`,
          (rows) => rows.map(toToken)
        )
      ),
    mint: (kind, row, claim) =>
      atomically(
        Effect.gen(function* () {
          const taken = yield* take(claim)
          if (taken._tag === "Refused") return taken satisfies MintOutcome
          const gone = (yield* unrevoked(row.subject)).filter((held) => supersedes(kind, held))
          const superseded = gone.map((held) => held.tokenHash)
          if (superseded.length > 0) yield* end(superseded, row.issuedAt)
          yield* insert(row)
          yield* append(mintAudit(kind, row, superseded))
          return {
            _tag: "Minted",
            superseded: [...taken.superseded, ...superseded]
          } satisfies MintOutcome
        })
      ),
    revoke: (tokenHash, now) =>
      atomically(
        Effect.gen(function* () {
          const [row] = yield* sql<TokenColumns>`SELECT ${all} FROM tokens
            WHERE token_hash = ${tokenHash} AND revoked_at IS NULL`
          if (row === undefined) return false
          yield* end([tokenHash], now)
          yield* append([lifecycle("revoked", now, row.subject, tokenHash, "")])
          return true
        })
      ),
    revokeSubject: (subject, now) => atomically(revokeSubject(subject, now)),
    purgeTokens: (before, limit) =>
      atomically(
        sql`DELETE FROM tokens WHERE token_hash IN (
          SELECT token_hash FROM tokens
          WHERE (revoked_at IS NOT NULL AND revoked_at <= ${before})
            OR (expires_at IS NOT NULL AND expires_at <= ${before}) LIMIT ${limit})`.pipe(
          Effect.zipRight(changes)
        )
      ),
    claim: (claim) => atomically(take(claim)),
    findOwner: (subject) => asStoreError(OwnerRows.find(sql, subject)),
    listOwners: asStoreError(OwnerRows.list(sql)),
    adopt: (owners) => atomically(OwnerRows.adopt(sql, owners)),
    ban: (subject, now, note) =>
      atomically(
        Effect.gen(function* () {
          const held = yield* OwnerRows.find(sql, subject)
          yield* OwnerRows.put(sql, Ownership.banned(subject, held, now, note))
          return yield* revokeSubject(subject, now)
        })
      ),
    release: (subject, now) =>
      atomically(
        Effect.gen(function* () {
          yield* revokeSubject(subject, now)
          const held = yield* OwnerRows.find(sql, subject)
          yield* OwnerRows.put(sql, Ownership.released(subject, now))
          return held !== undefined && Ownership.isReserved(held, now)
        })
      ),
    transfer: (subject, spk, now, note) =>
      atomically(
        Effect.gen(function* () {
          const held = yield* OwnerRows.find(sql, subject)
          const owner = Ownership.transferred(subject, held, spk, now, note)
          yield* OwnerRows.put(sql, owner)
          yield* revokeSubject(subject, now)
          return owner
        })
      ),
    appendAudit: (rows) => asStoreError(Effect.asVoid(append(rows))),
    pruneAudit: (before, maxRows, limit) =>
      atomically(AuditRows.prune(sql, before, maxRows, limit)),
    tailAudit: (wanted) => asStoreError(AuditRows.tail(sql, wanted))
  }
}

/** Over an open file: migrates, and gives older data its owners. */
export const layer = (path: string): Layer.Layer<TokenStore, OpenError, SqlClient.SqlClient> =>
  Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* TokenSchema.migrate(sql)
      const store = make(sql)
      const rows = yield* store.listTokens({ includeRevoked: true })
      const now = yield* UnixTime.now
      yield* store.adopt(Inheritance.owners(rows.map(Inheritance.ofToken), now))
      return store
    }).pipe(
      Effect.mapError(
        (error) => new OpenError({ reason: "migration", path, message: messageOf(error) })
      )
    )
  )

/** Over the file at `path`, beside whoever else has it open. */
export const layerFile = (path: string): Layer.Layer<TokenStore, OpenError> =>
  layer(path).pipe(
    Layer.provide(SqliteFile.layer({ path, userVersion: TokenSchema.version, exclusive: false }))
  )

export const hosted = HostedStore.make(TokenStore, {
  name: "tokens",
  errors: Schema.Never,
  members: {
    revision: "effect",
    listTokens: "call",
    mint: "call",
    revoke: "call",
    revokeSubject: "call",
    purgeTokens: "call",
    claim: "call",
    findOwner: "call",
    listOwners: "effect",
    adopt: "call",
    ban: "call",
    release: "call",
    transfer: "call",
    appendAudit: "call",
    pruneAudit: "call",
    tailAudit: "call"
  },
  layer: layerFile
})
