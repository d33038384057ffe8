/**
 * Whether a signed sync request may enter. Invariant: it was signed for this node, now, by a
 * node that the installed manifest lists, under a key the operator certified for it, and has
 * not been answered before, by an earlier process neither. The cheap checks come first, the
 * body's digest last of all.
 */
import { Either, Option } from "effect"
import * as Hostname from "../dmp/Hostname.ts"
import * as NodeCertificate from "../dmp/NodeCertificate.ts"
import type { ManifestInstall } from "./ManifestInstall.ts"
import { NonceMemory } from "./NonceMemory.ts"
import type { PeersConfigShape } from "./PeersConfig.ts"
import * as PeerUrl from "./PeerUrl.ts"
import * as RequestSignature from "./RequestSignature.ts"
import type { RefusalReason } from "./SyncMetrics.ts"

export interface SignedRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

export interface Signer {
  readonly nodeId: string
  /** What the body must hash to. */
  readonly contentDigest: string
}

/** The running process, which has forgotten what the one before it answered. */
export interface Start {
  /** Unix seconds. */
  readonly at: number
  readonly mark: string
}

/** Seconds a signature's time may be off. Peers follow each other's clocks. */
export const window = 60
/** Certificates verified before; each costs a signature. */
const remembered = 128

export const make = (
  { nodeId, operatorSpk, selfEndpoint }: PeersConfigShape,
  install: ManifestInstall["Type"],
  start: Start,
  nonces = new NonceMemory()
) => {
  const good = new Map<string, NodeCertificate.NodeCertificate>()
  const certificateOf = (text: string, operator: Uint8Array) => {
    const known = good.get(text)
    if (known !== undefined) return known
    const read = Option.getOrUndefined(Either.getRight(NodeCertificate.verify(text, operator)))
    if (read === undefined) return undefined
    if (good.size >= remembered) good.clear()
    good.set(text, read)
    return read
  }

  /** This node in the installed manifest. */
  const self = () => {
    const installed = Option.getOrUndefined(install.installed())
    const id =
      Option.getOrUndefined(nodeId) ??
      Option.getOrUndefined(Option.map(selfEndpoint, (url) => install.nodeAt(url)))
    const node = installed?.manifest.nodes.find((each) => each.nodeId === id)
    return installed === undefined || node === undefined
      ? undefined
      : { manifest: installed.manifest, node }
  }

  /** True when this node can judge signatures now. */
  const isAble = (): boolean => Option.isSome(operatorSpk) && self() !== undefined

  /** `now` in Unix seconds. */
  const verify = (request: SignedRequest, now: number): Either.Either<Signer, RefusalReason> =>
    Either.gen(function* () {
      const header = (name: string): string | undefined => {
        const value = request.headers[name]
        return typeof value === "string" && value.length <= 1024 ? value : undefined
      }
      const { certificate, digest, input, signature, to } = RequestSignature.headers
      const read = yield* RequestSignature.read(header(input), header(signature))
      const covered = {
        method: request.method,
        query: request.query,
        contentDigest: header(digest) ?? "",
        to: header(to) ?? "",
        certificate: header(certificate) ?? ""
      }
      const own = self()
      if (own === undefined || Option.isNone(operatorSpk))
        return yield* Either.left("no-manifest" as const)
      if (covered.to !== own.node.nodeId) return yield* Either.left("other-addressee" as const)
      if (Math.abs(now - read.created) > window) return yield* Either.left("clock" as const)
      // The process before this one took nothing of a later moment.
      if (read.created <= start.at + window && !read.nonce.startsWith(start.mark))
        return yield* Either.left("before-start" as const)
      const members = new Set(own.manifest.nodes.map((node) => node.nodeId))
      nonces.retain(members)
      if (!members.has(read.keyId)) return yield* Either.left("not-a-member" as const)
      const certified = certificateOf(covered.certificate, operatorSpk.value)
      if (
        certified === undefined ||
        certified.nodeId !== read.keyId ||
        !Hostname.same(certified.clusterName, own.manifest.clusterName)
      )
        return yield* Either.left("certificate" as const)
      // A proxy may have taken away what the manifest says before the route.
      const base = Option.match(PeerUrl.parse(own.node.httpEndpoint), {
        onNone: () => "",
        onSome: ({ basePath }) => basePath
      })
      const path = request.path.startsWith(`${base}/`) ? request.path : base + request.path
      if (!RequestSignature.holds({ ...covered, path }, read, certified.nodeSpk))
        return yield* Either.left("signature" as const)
      // Only what a member signed is remembered: nobody else can fill the memory.
      const taken = nonces.take(read.keyId, read.nonce, now, now + 2 * window)
      if (taken !== "new")
        return yield* Either.left(taken === "full" ? ("too-many" as const) : ("replayed" as const))
      return { nodeId: read.keyId, contentDigest: covered.contentDigest }
    })

  return { isAble, verify }
}
