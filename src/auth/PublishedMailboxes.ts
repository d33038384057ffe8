/**
 * The mailboxes of the people whose identities this node holds: most of its users register no
 * mailbox key, but all publish an identity. Invariant: known exactly while such an identity is
 * in the zone; who may write none cannot make a mailbox known.
 */
import { Effect, Either } from "effect"
import * as Identity from "../dmp/Identity.ts"
import * as OwnerName from "../dmp/OwnerName.ts"
import { prefixes } from "../dmp/Record.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { ChangeFeed } from "../zone/ChangeFeed.ts"

export interface PublishedMailboxes {
  /** `hash12` as in the label `mb-<hash12>`. */
  readonly has: (hash12: string) => boolean
}

const mailboxIn = (octets: string): string | undefined =>
  octets.startsWith(prefixes.identity)
    ? Either.match(Identity.parse(octets), {
        onLeft: () => undefined,
        onRight: ({ x25519Pk }) => OwnerName.mailboxOf(x25519Pk)
      })
    : undefined

/** Follows the zone until the scope closes. */
export const make = Effect.gen(function* () {
  const zone = yield* AnswerIndex
  const feed = yield* ChangeFeed
  /** Identities by mailbox. */
  const known = new Map<string, number>()
  const count = (octets: string, by: 1 | -1): void => {
    const mailbox = mailboxIn(octets)
    if (mailbox === undefined) return
    const identities = (known.get(mailbox) ?? 0) + by
    if (identities > 0) known.set(mailbox, identities)
    else known.delete(mailbox)
  }
  for (const octets of zone.beginning(prefixes.identity)) count(octets, 1)
  yield* feed.subscribe(({ content }) => {
    for (const { kind, octets } of content) count(octets, kind === "added" ? 1 : -1)
  })
  const mailboxes: PublishedMailboxes = { has: (hash12) => known.has(hash12) }
  return mailboxes
})

/** For a node that asks nobody. */
export const none: PublishedMailboxes = { has: () => false }
