/**
 * Cluster manifest: an operator's list of nodes. Trust comes from a pinned operator key, never
 * from the key inside. Shares its magic with claims: only the text prefix tells them apart.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Hostname from "./Hostname.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface ClusterNode {
  /** 1 to 16 ASCII characters, unique in the manifest. */
  readonly nodeId: string
  /** 1 to 128 octets; not checked to be a URL. */
  readonly httpEndpoint: string
  /** At most 64 octets; empty when there is none. */
  readonly dnsEndpoint: string
}

export interface ClusterManifest {
  readonly clusterName: string
  readonly operatorSpk: Uint8Array
  /** At most 32. Released readers accept none; who installs peers should not. */
  readonly nodes: ReadonlyArray<ClusterNode>
  /** A full u64. */
  readonly seq: bigint
  readonly exp: number
}

const magic = "DMPCL01"
const maxNodes = 32
const maxName = 64

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<ClusterManifest> =>
  Either.map(decode(text), (signed) => signed.record)

/**
 * The record, signed by the pinned `operator` key, named `expectedName` when that is given, not
 * over and not above five years.
 */
export const verify = (
  text: string,
  operator: Uint8Array,
  now: number,
  expectedName?: string
): Record.Result<ClusterManifest> =>
  Either.flatMap(decode(text), (signed) => {
    const { clusterName, exp, operatorSpk } = signed.record
    if (exp < now) return Record.fault("expired")
    if (exp - now > Record.maxAheadOperator) return Record.fault("too-far-future")
    if (expectedName !== undefined && !Hostname.same(clusterName, expectedName))
      return Record.fault("name-mismatch")
    return Either.flatMap(Record.signedBy(signed, operator), (record) =>
      Octets.equal(operatorSpk, operator) ? Either.right(record) : Record.fault("signer-mismatch")
    )
  })

/** `seed` (32 octets) must be the one of `manifest.operatorSpk`. */
export const sign = (manifest: ClusterManifest, seed: Uint8Array): Record.Result<string> => {
  const { clusterName, exp, nodes, operatorSpk, seq } = manifest
  const name = Hostname.parse(clusterName, maxName)
  if (name === undefined || operatorSpk.length !== 32 || !Record.isTime(exp))
    return Record.fault("structure")
  if (nodes.length < 1 || !nodesHold(nodes) || seq !== BigInt.asUintN(64, seq))
    return Record.fault("structure")
  const body = Octets.concat(
    Octets.text(magic),
    Octets.u64(seq),
    Octets.time(exp),
    operatorSpk,
    Octets.text8(name),
    Octets.u8(nodes.length),
    ...nodes.map((node) =>
      Octets.concat(
        Octets.text8(node.nodeId),
        Octets.text16(node.httpEndpoint),
        Octets.text16(node.dnsEndpoint)
      )
    )
  )
  return Record.sealSigned("cluster", body, operatorSpk, seed, Record.maxText)
}

const decode = (text: string): Record.Result<Record.Signed<ClusterManifest>> =>
  Either.flatMap(Record.open("cluster", text, Record.maxText, Base64.decodeStrict), (opened) => {
    const reader = new Octets.Reader(opened.body)
    if (!reader.magic(magic)) return Record.fault("structure")
    const seq = reader.u64()
    const exp = reader.time()
    const operatorSpk = reader.bytes(32)
    const clusterName = Hostname.parse(reader.text(reader.u8()) ?? "", maxName)
    const count = reader.u8()
    const nodes: Array<ClusterNode> = []
    for (let at = 0; at < count && at <= maxNodes; at++) {
      const nodeId = reader.text(reader.u8())
      const httpEndpoint = reader.text(reader.u16())
      const dnsEndpoint = reader.text(reader.u16())
      if (nodeId === undefined || httpEndpoint === undefined || dnsEndpoint === undefined)
        return Record.fault("structure")
      nodes.push({ nodeId, httpEndpoint, dnsEndpoint })
    }
    return reader.finished && clusterName !== undefined && nodesHold(nodes)
      ? Either.right({ ...opened, record: { clusterName, operatorSpk, nodes, seq, exp } })
      : Record.fault("structure")
  })

const nodesHold = (nodes: ReadonlyArray<ClusterNode>): boolean =>
  nodes.length <= maxNodes &&
  new Set(nodes.map((node) => node.nodeId)).size === nodes.length &&
  nodes.every(
    ({ dnsEndpoint, httpEndpoint, nodeId }) =>
      /^\p{ASCII}{1,16}$/u.test(nodeId) &&
      httpEndpoint !== "" &&
      Buffer.byteLength(httpEndpoint) <= 128 &&
      Buffer.byteLength(dnsEndpoint) <= 64
  )
