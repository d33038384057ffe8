/** What a reply is counted as, and the rcode that stands in it. */
import { rcode, type RcodeName } from "../wire/Codes.ts"

/** What a message is counted as: its rcode in lower case. */
export type ReplyOutcome = Lowercase<RcodeName>

/** May exceed 15: the upper bits then belong into the OPT record. */
export const rcodeOf: Readonly<Record<ReplyOutcome, number>> = {
  noerror: rcode.NOERROR,
  formerr: rcode.FORMERR,
  servfail: rcode.SERVFAIL,
  nxdomain: rcode.NXDOMAIN,
  notimp: rcode.NOTIMP,
  refused: rcode.REFUSED,
  yxdomain: rcode.YXDOMAIN,
  yxrrset: rcode.YXRRSET,
  nxrrset: rcode.NXRRSET,
  notauth: rcode.NOTAUTH,
  notzone: rcode.NOTZONE,
  badvers: rcode.BADVERS,
  badsig: rcode.BADSIG,
  badkey: rcode.BADKEY,
  badtime: rcode.BADTIME,
  badtrunc: rcode.BADTRUNC,
  badcookie: rcode.BADCOOKIE
}
