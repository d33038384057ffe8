/**
 * The quota of everybody who is not the operator. Invariant: what it calls a writer means
 * nothing outside this process, and is never written anywhere.
 */
import { createHmac, generateKeySync } from "node:crypto"
import type { Name } from "../wire/Name.ts"
import type { Quota } from "../zone/WriteGrant.ts"

const salt = generateKeySync("hmac", { length: 256 })

// Chunks are left out: their names are as hard to guess as the message they belong to.
const contended = /^(?:slot|claim|_dnsmesh-claim)-/

const pseudonym = (who: string): string =>
  createHmac("sha256", salt).update(who).digest("base64url").slice(0, 22)

/**
 * `who` is a subject, the name of a key nobody registered, or the network of a stranger. Most
 * writes touch no name that others write, and then nobody asks who the writer is.
 */
export const make = (who: string, isOwn: (owner: Name) => boolean = () => false): Quota => ({
  get writer() {
    return pseudonym(who)
  },
  shares: (owner) => contended.test(owner) && !isOwn(owner)
})
