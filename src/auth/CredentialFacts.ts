/** What the operator's programs are told about credentials, over HTTP and on the command line; no secrets. */
import { isLive, type TokenRow } from "./TokenRow.ts"
import { isActive, type TsigKey } from "./TsigKey.ts"

export const ofToken = (row: TokenRow, now: number) => ({
  token_hash: row.tokenHash,
  subject: row.subject,
  subject_type: row.subjectType,
  subject_hash12: row.subjectHash12,
  rate_per_sec: row.ratePerSec,
  rate_burst: row.rateBurst,
  issued_at: row.issuedAt,
  expires_at: row.expiresAt,
  revoked_at: row.revokedAt,
  issuer: row.issuer,
  note: row.note,
  live: isLive(row, now)
})

export const ofTsigKey = (key: TsigKey, now: number) => ({
  name: `${key.name}.`,
  algorithm: key.algorithm,
  subject: key.subject,
  registered_spk: key.registeredSpk,
  registered_x25519_pub: key.registeredX25519Pub,
  allowed_suffixes: key.allowedSuffixes,
  created_at: key.createdAt,
  expires_at: key.expiresAt,
  revoked: key.revoked,
  active: isActive(key, now)
})
