/** The token database in memory: the reference for every adapter. */
import { Effect, Layer } from "effect"
import { type AuditRow, lifecycle, subjectRevoked } from "./AuditRow.ts"
import * as Ownership from "./Ownership.ts"
import * as Subject from "./Subject.ts"
import { mintAudit, supersedes, type TokenRow } from "./TokenRow.ts"
import { type ClaimOutcome, TokenStore, type TokenStoreShape } from "./TokenStore.ts"

class State {
  readonly tokens = new Map<string, TokenRow>()
  readonly owners = new Map<Subject.Subject, Ownership.Owner>()
  audit: Array<AuditRow> = []

  take(claim: Ownership.Claim): ClaimOutcome {
    const owners = [...this.owners.values()]
    const verdict = Ownership.decide(claim, {
      held: this.owners.get(claim.subject),
      sameHash: owners.filter(({ subject }) => Ownership.collides(subject, claim.subject)),
      keyBanned: owners.some(
        ({ bannedAt, spk }) => bannedAt !== null && spk !== null && spk === claim.spk
      )
    })
    if (typeof verdict === "string") return { _tag: "Refused", reason: verdict }
    const before = this.owners.get(claim.subject)
    this.owners.set(claim.subject, verdict)
    const ended = Ownership.changedHands(before, verdict)
      ? this.unrevoked(claim.subject).map((row) => row.tokenHash)
      : []
    if (ended.length > 0) this.revokeSubject(claim.subject, claim.now)
    return { _tag: "Held", owner: verdict, superseded: ended }
  }

  unrevoked(subject: Subject.Subject): ReadonlyArray<TokenRow> {
    return [...this.tokens.values()].filter(
      (row) => row.subject === subject && row.revokedAt === null
    )
  }

  revoke(row: TokenRow, now: number): void {
    this.tokens.set(row.tokenHash, { ...row, revokedAt: now })
  }

  revokeSubject(subject: Subject.Subject, now: number): number {
    const rows = this.unrevoked(subject)
    for (const row of rows) this.revoke(row, now)
    if (rows.length > 0) this.audit.push(subjectRevoked(subject, now, rows.length))
    return rows.length
  }
}

const make = (): TokenStoreShape => {
  const state = new State()
  return {
    revision: Effect.succeed(0),
    listTokens: ({ includeRevoked, subject }) =>
      Effect.sync(() =>
        [...state.tokens.values()]
          .filter((row) => subject === undefined || row.subject === subject)
          .filter((row) => includeRevoked || row.revokedAt === null)
          .reverse()
          .sort((a, b) => b.issuedAt - a.issuedAt)
      ),
    mint: (kind, row, claim) =>
      Effect.sync(() => {
        const taken = state.take(claim)
        if (taken._tag === "Refused") return taken
        const gone = state.unrevoked(row.subject).filter((held) => supersedes(kind, held))
        for (const held of gone) state.revoke(held, row.issuedAt)
        state.tokens.set(row.tokenHash, row)
        const superseded = gone.map((held) => held.tokenHash)
        state.audit.push(...mintAudit(kind, row, superseded))
        return { _tag: "Minted", superseded: [...taken.superseded, ...superseded] }
      }),
    revoke: (tokenHash, now) =>
      Effect.sync(() => {
        const row = state.tokens.get(tokenHash)
        if (row === undefined || row.revokedAt !== null) return false
        state.revoke(row, now)
        state.audit.push(lifecycle("revoked", now, row.subject, tokenHash, ""))
        return true
      }),
    revokeSubject: (subject, now) => Effect.sync(() => state.revokeSubject(subject, now)),
    purgeTokens: (before, limit) =>
      Effect.sync(() => {
        const over = [...state.tokens.values()]
          .filter(
            ({ expiresAt, revokedAt }) =>
              (revokedAt !== null && revokedAt <= before) ||
              (expiresAt !== null && expiresAt <= before)
          )
          .slice(0, limit)
        for (const { tokenHash } of over) state.tokens.delete(tokenHash)
        return over.length
      }),
    claim: (claim) => Effect.sync(() => state.take(claim)),
    findOwner: (subject) => Effect.sync(() => state.owners.get(subject)),
    listOwners: Effect.sync(() =>
      [...state.owners.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1))
    ),
    adopt: (owners) =>
      Effect.sync(() => {
        const fresh = owners.filter(({ subject }) => !state.owners.has(subject))
        for (const owner of fresh) state.owners.set(owner.subject, owner)
        return fresh.length
      }),
    ban: (subject, now, note) =>
      Effect.sync(() => {
        state.owners.set(subject, Ownership.banned(subject, state.owners.get(subject), now, note))
        return state.revokeSubject(subject, now)
      }),
    release: (subject, now) =>
      Effect.sync(() => {
        state.revokeSubject(subject, now)
        const held = state.owners.get(subject)
        state.owners.set(subject, Ownership.released(subject, now))
        return held !== undefined && Ownership.isReserved(held, now)
      }),
    transfer: (subject, spk, now, note) =>
      Effect.sync(() => {
        const owner = Ownership.transferred(subject, state.owners.get(subject), spk, now, note)
        state.owners.set(subject, owner)
        state.revokeSubject(subject, now)
        return owner
      }),
    appendAudit: (rows) => Effect.sync(() => void state.audit.push(...rows)),
    pruneAudit: (before, maxRows, limit) =>
      Effect.sync(() => {
        const size = state.audit.length
        let left = limit
        state.audit = state.audit.filter(
          (row, at) => (row.ts >= before && size - at <= maxRows) || left-- <= 0
        )
        return size - state.audit.length
      }),
    tailAudit: ({ event, limit, since, subject, until }) =>
      Effect.sync(() =>
        state.audit
          .filter(
            (row) =>
              (event === undefined || row.event === event) &&
              (subject === undefined || row.subject === subject) &&
              row.ts >= (since ?? -Infinity) &&
              row.ts <= (until ?? Infinity)
          )
          .slice(-limit)
          .reverse()
      )
  }
}

export const layer: Layer.Layer<TokenStore> = Layer.sync(TokenStore, make)
