/**
 * The key this node signs its sync requests with, and the operator's word that it is this
 * node's. One line: the seed as 64 hex digits, a space, the certificate.
 */
import { Either, Option, Redacted } from "effect"
import * as Ed25519 from "../dmp/Ed25519.ts"
import * as NodeCertificate from "../dmp/NodeCertificate.ts"
import * as Octets from "../dmp/Octets.ts"

export interface NodeIdentity {
  readonly nodeId: string
  /** Lower case. */
  readonly clusterName: string
  /** As peers get to see it. */
  readonly certificate: string
  /** 32 octets. */
  readonly seed: Redacted.Redacted<Uint8Array>
}

/** Nothing unless the certificate is for the key beside it. Who signed it is not looked at. */
export const parse = (text: string): Option.Option<NodeIdentity> => {
  const [, hex = "", certificate = ""] = /^([0-9a-f]{64})\s+(\S+)$/i.exec(text.trim()) ?? []
  const seed: Uint8Array = Buffer.from(hex, "hex")
  return Option.flatMap(Either.getRight(NodeCertificate.parse(certificate)), (read) =>
    seed.length === Ed25519.keyLength && Octets.equal(Ed25519.publicKey(seed), read.nodeSpk)
      ? Option.some({
          nodeId: read.nodeId,
          clusterName: read.clusterName,
          certificate,
          seed: Redacted.make(seed)
        })
      : Option.none()
  )
}

export const write = (seed: Uint8Array, certificate: string): string =>
  `${Buffer.from(seed).toString("hex")} ${certificate}`
