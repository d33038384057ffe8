/**
 * The operator says whose key a node of a cluster signs its requests with. A manifest lists
 * nodes by id and has no room for keys, so this binds a key to an id; whether that id is a
 * member says the manifest alone. Invariant: what is signed begins with words no mesh record
 * begins with, so neither can be taken for the other.
 */
import { Either } from "effect"
import * as Ed25519 from "./Ed25519.ts"
import * as Hostname from "./Hostname.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface NodeCertificate {
  /** Lower case, without a trailing dot. */
  readonly clusterName: string
  /** As the manifest has it. */
  readonly nodeId: string
  /** 32 octets. */
  readonly nodeSpk: Uint8Array
}

const prefix = "dnsmesh-node-1"
const shape =
  /^dnsmesh-node-1;([a-z0-9.-]{1,64});([A-Za-z0-9._-]{1,16});([0-9a-f]{64});([A-Za-z0-9_-]{86})$/

const message = ({ clusterName, nodeId, nodeSpk }: NodeCertificate): Uint8Array =>
  Octets.text(
    `${prefix} certificate\n${clusterName}\n${nodeId}\n${Buffer.from(nodeSpk).toString("hex")}`
  )

/** What `text` says, without a look at its signature. */
export const parse = (text: string): Record.Result<NodeCertificate> =>
  Either.map(read(text), ({ certificate }) => certificate)

/** What `text` says, if `operator` signed it. */
export const verify = (text: string, operator: Uint8Array): Record.Result<NodeCertificate> =>
  Either.flatMap(read(text), ({ certificate, signature }) =>
    Ed25519.verify(operator, message(certificate), signature)
      ? Either.right(certificate)
      : Record.fault("signature")
  )

/** One line of printable ASCII. `operatorSeed` has 32 octets. */
export const sign = (
  { clusterName, nodeId, nodeSpk }: NodeCertificate,
  operatorSeed: Uint8Array
): Record.Result<string> => {
  const certificate = { clusterName: Hostname.folded(clusterName), nodeId, nodeSpk }
  const signature = Buffer.from(Ed25519.sign(operatorSeed, message(certificate)))
  const text = [
    prefix,
    certificate.clusterName,
    nodeId,
    Buffer.from(nodeSpk).toString("hex"),
    signature.toString("base64url")
  ].join(";")
  return Either.map(parse(text), () => text)
}

const read = (text: string) => {
  const [, name = "", nodeId = "", key = "", signature = ""] = shape.exec(text) ?? []
  const clusterName = Hostname.parse(name, 64)
  const nodeSpk: Uint8Array = Buffer.from(key, "hex")
  const octets = Buffer.from(signature, "base64url")
  if (clusterName === undefined || octets.toString("base64url") !== signature)
    return Record.fault("structure")
  return Ed25519.isLowOrder(nodeSpk)
    ? Record.fault("low-order-key")
    : Either.right({
        certificate: { clusterName, nodeId, nodeSpk },
        signature: octets as Uint8Array
      })
}
