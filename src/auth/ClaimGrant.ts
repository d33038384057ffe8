/** What somebody without a credential may write once `ClaimAuth` has accepted it. */
import type { TxtRecord } from "../zone/TxtRecord.ts"
import { WriteGrant } from "../zone/WriteGrant.ts"
import * as WriterQuota from "./WriterQuota.ts"

/** May add at the owners of `accepted`, and nothing else. */
export const claimGrant = (accepted: ReadonlyArray<TxtRecord>, sender: string): WriteGrant => {
  const owners = new Set(accepted.map(({ owner }) => owner))
  return new WriteGrant({
    subject: "claim",
    allows: (operation, owner) => operation === "add" && owners.has(owner),
    mayShorten: false,
    ignoresTtlCap: false,
    quota: WriterQuota.make(sender),
    verified: new Set(accepted.map(({ value }) => value))
  })
}
