/**
 * Tokens, ownership and audit in memory: the reference for every adapter, and enough for
 * tests and a node that may forget. One state behind three contracts, as in the database.
 */
import { Effect, Layer } from "effect"
import { AuditStore, type AuditRow } from "./AuditStore.ts"
import * as Ownership from "./Ownership.ts"
import { OwnershipStore } from "./OwnershipStore.ts"
import * as Subject from "./Subject.ts"
import * as TokenChanges from "./TokenChanges.ts"
import { type Minted, type TokenRow, TokenStore } from "./TokenStore.ts"

interface State {
  readonly tokens: Map<string, TokenRow>
  readonly owners: Map<Subject.Subject, Ownership.Owner>
  audit: Array<AuditRow>
}

const take = (
  state: State,
  claim: Ownership.Claim
): Effect.Effect<Ownership.Owner, Ownership.SubjectRefused> => {
  const owners = [...state.owners.values()]
  const domain = Subject.domain(claim.subject)
  const hash = Subject.hash12(claim.subject)
  const verdict = Ownership.decide(claim, {
    held: state.owners.get(claim.subject),
    sameHash: owners.filter(
      ({ subject }) =>
        subject !== claim.subject &&
        Subject.domain(subject) === domain &&
        Subject.hash12(subject) === hash
    ),
    keyBanned: owners.some(
      ({ bannedAt, spk }) => bannedAt !== null && spk !== null && spk === claim.spk
    )
  })
  if (typeof verdict === "string")
    return Effect.fail(new Ownership.SubjectRefused({ reason: verdict }))
  state.owners.set(claim.subject, verdict)
  return Effect.succeed(verdict)
}

const revoke = (state: State, row: TokenRow, now: number): void =>
  void state.tokens.set(row.tokenHash, { ...row, revokedAt: now })

const unrevoked = (state: State, subject: Subject.Subject): ReadonlyArray<TokenRow> =>
  [...state.tokens.values()].filter((row) => row.subject === subject && row.revokedAt === null)

const mint =
  (state: State, kind: TokenChanges.MintKind) =>
  (row: TokenRow, claim: Ownership.Claim): Effect.Effect<Minted, Ownership.SubjectRefused> =>
    Effect.suspend(() =>
      Effect.map(take(state, claim), () => {
        const gone = unrevoked(state, row.subject).filter((held) =>
          TokenChanges.supersedes(kind, held)
        )
        for (const held of gone) revoke(state, held, row.issuedAt)
        state.tokens.set(row.tokenHash, row)
        const superseded = gone.map((held) => held.tokenHash)
        state.audit.push(...TokenChanges.mintAudit(kind, row, superseded))
        return { superseded }
      })
    )

const revokeSubject = (state: State, subject: Subject.Subject, now: number): number => {
  const rows = unrevoked(state, subject)
  for (const row of rows) revoke(state, row, now)
  if (rows.length > 0) state.audit.push(TokenChanges.subjectRevoked(subject, now, rows.length))
  return rows.length
}

const tokenStore = (state: State): TokenStore["Type"] => ({
  revision: Effect.succeed(0),
  list: ({ includeRevoked, subject }) =>
    Effect.sync(() =>
      [...state.tokens.values()]
        .filter((row) => subject === undefined || row.subject === subject)
        .filter((row) => includeRevoked || row.revokedAt === null)
        .reverse()
        .sort((a, b) => b.issuedAt - a.issuedAt)
    ),
  register: mint(state, "register"),
  issue: mint(state, "issue"),
  rotate: mint(state, "rotate"),
  revoke: (tokenHash, now) =>
    Effect.sync(() => {
      const row = state.tokens.get(tokenHash)
      if (row === undefined || row.revokedAt !== null) return false
      revoke(state, row, now)
      state.audit.push(TokenChanges.lifecycle("revoked", now, row.subject, tokenHash, ""))
      return true
    }),
  revokeSubject: (subject, now) => Effect.sync(() => revokeSubject(state, subject, now))
})

const ownershipStore = (state: State): OwnershipStore["Type"] => ({
  claim: (claim) => Effect.suspend(() => take(state, claim)),
  find: (subject) => Effect.sync(() => state.owners.get(subject)),
  list: Effect.sync(() =>
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
      return revokeSubject(state, subject, now)
    }),
  release: (subject, now) =>
    Effect.sync(() => {
      revokeSubject(state, subject, now)
      return state.owners.delete(subject)
    }),
  transfer: (subject, spk, now, note) =>
    Effect.sync(() => {
      const owner = Ownership.transferred(subject, state.owners.get(subject), spk, now, note)
      state.owners.set(subject, owner)
      revokeSubject(state, subject, now)
      return owner
    })
})

const auditStore = (state: State): AuditStore["Type"] => ({
  append: (rows) => Effect.sync(() => void state.audit.push(...rows)),
  prune: (before, maxRows) =>
    Effect.sync(() => {
      const size = state.audit.length
      const young = state.audit.filter((row) => row.ts >= before)
      state.audit = young.slice(Math.max(0, young.length - maxRows))
      return size - state.audit.length
    }),
  tail: ({ event, limit }) =>
    Effect.sync(() =>
      state.audit
        .filter((row) => event === undefined || row.event === event)
        .slice(-limit)
        .reverse()
    )
})

export const layer: Layer.Layer<TokenStore | OwnershipStore | AuditStore> = Layer.unwrapEffect(
  Effect.sync(() => {
    const state: State = { tokens: new Map(), owners: new Map(), audit: [] }
    return Layer.mergeAll(
      Layer.succeed(TokenStore, tokenStore(state)),
      Layer.succeed(OwnershipStore, ownershipStore(state)),
      Layer.succeed(AuditStore, auditStore(state))
    )
  })
)
