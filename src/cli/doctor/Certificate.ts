/** What a certificate that was shown means for clients. Pure: facts in, one finding out. */
import { DateTime } from "effect"
import type { Certificate } from "./HttpProbe.ts"
import { type Finding, fail, ok, warn } from "./Finding.ts"

const day = 86_400_000
const hour = 3_600_000
/**
 * How long before its end a certificate should have been renewed, in ms: two weeks of the usual
 * three months, a sixth of shorter lives. Caddy and certbot renew with a third left.
 */
const renewalDue = ({ validFrom, validTo }: Certificate): number =>
  Math.min(14 * day, (validTo - validFrom) / 6)

const shown = (left: number): string =>
  left < 2 * day ? `${Math.floor(left / hour)} hours` : `${Math.floor(left / day)} days`

/** OpenSSL's words for a chain that ends in nothing clients know. */
const untrusted: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "comes from a private authority",
  UNABLE_TO_GET_ISSUER_CERT: "lacks a certificate between it and an authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "comes from an authority that clients do not know",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "comes without the certificates between it and an authority"
}

export const finding = (
  hostname: string,
  certificate: Certificate | undefined,
  now: number
): Finding => {
  if (certificate === undefined)
    return fail("tls", `${hostname} shows no certificate`, "see the proxy's log")
  const { names, problem, validTo } = certificate
  const left = validTo - now
  // Before all others: whatever else is wrong with it, it has to be made anew.
  if (validTo <= now)
    return fail(
      "tls",
      `the certificate of ${hostname} expired on ${DateTime.formatIsoDateUtc(DateTime.unsafeMake(validTo))}`,
      "see in the proxy's log why it was not renewed: ports 80 and 443 must be reachable from outside, and its certificates' volume writable"
    )
  if (problem === "ERR_TLS_CERT_ALTNAME_INVALID")
    return fail(
      "tls",
      `the certificate is for ${names.join(", ") || "no name"}, not for ${hostname}`,
      `another server answers there, or the proxy has another name: compare DMP_NODE_HOSTNAME with the proxy's`
    )
  const distrust = untrusted[problem]
  if (distrust !== undefined)
    return fail(
      "tls",
      `the certificate of ${hostname} ${distrust} (${problem})`,
      "clients refuse it: let the proxy get one from a public authority, with its whole chain (not `tls internal`); an authority of your own is given to this command with --ca"
    )
  if (problem === "CERT_NOT_YET_VALID")
    return fail(
      "tls",
      `the certificate of ${hostname} is not valid yet`,
      "compare this machine's clock"
    )
  if (problem !== "")
    return fail(
      "tls",
      `the certificate of ${hostname} is not believed: ${problem}`,
      "see the proxy's log"
    )
  return left < renewalDue(certificate)
    ? warn(
        "tls",
        `the certificate of ${hostname} ends in ${shown(left)}`,
        "see in the proxy's log why it does not renew: ports 80 and 443 must be reachable from outside"
      )
    : ok("tls", `the certificate of ${hostname} is good for ${shown(left)}`)
}
