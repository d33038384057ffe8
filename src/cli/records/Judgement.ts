/** What the node's content policy says of records that are there already. */
import * as RecordPolicy from "../../auth/RecordPolicy.ts"
import type { NodeConfig } from "../../Settings.ts"
import * as Name from "../../wire/Name.ts"
import { type ContentPolicy, ContentRefused } from "../../zone/ContentPolicy.ts"
import { WriteGrant } from "../../zone/WriteGrant.ts"

/** Bound by nothing but the record itself. */
export const anybody = WriteGrant.everything("check")

/** The policy in force; where it is off, what it would be by default. */
export const policyOf = ({ auth, limits }: NodeConfig, strict: boolean): ContentPolicy["Type"] => {
  const mode = strict ? "strict" : auth.recordValidation
  return RecordPolicy.make({
    mode: mode === "off" ? "known-types" : mode,
    maxTtl: limits.maxTtl
  })
}

/** Why the record would be refused today, if it would. */
export const reasonOf = (
  policy: ContentPolicy["Type"],
  name: string,
  value: string,
  now: number
): string | undefined => {
  const verdict = policy.judge(Name.unsafeMake(name), value, now, anybody)
  return verdict instanceof ContentRefused ? verdict.reason : undefined
}
