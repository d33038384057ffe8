/**
 * The quota of everybody who is not the operator. Invariant: what it calls a writer means
 * nothing outside this process, and is never written anywhere.
 */
import { createHmac, randomBytes } from "node:crypto"
import type { Name } from "../wire/Name.ts"
import type { Quota } from "../zone/WriteGrant.ts"

const salt = randomBytes(32)

// Chunks are left out: their names are as hard to guess as the message they belong to.
const contended = /^(?:slot|claim|_dnsmesh-claim)-/

/** `who` is a subject, the name of a key nobody registered, or the network of a stranger. */
export const make = (who: string, isOwn: (owner: Name) => boolean = () => false): Quota => ({
  writer: createHmac("sha256", salt).update(who).digest("base64url").slice(0, 22),
  shares: (owner) => contended.test(owner) && !isOwn(owner)
})
