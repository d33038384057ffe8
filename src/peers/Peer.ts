/** One other node of the cluster. */
import { sha256 } from "../dmp/Ed25519.ts"
import type { PeerUrl } from "./PeerUrl.ts"

export interface Peer {
  /** From the manifest, or made from the URL; label of metrics. */
  readonly id: string
  readonly url: PeerUrl
}

/** The id released nodes give to a peer that is known by its URL only. */
export const idOf = (url: PeerUrl, port: string): string => {
  const digest = sha256(Buffer.from(`${url.host}:${port}${url.basePath}`))
  return `${url.host.slice(0, 9)}-${Buffer.from(digest).toString("hex").slice(0, 6)}`
}

/** A peer by URL; the id shows the port only where the URL does, as released nodes count. */
export const ofUrl = (url: PeerUrl): Peer => ({
  id: idOf(url, url.port === (url.secure ? 443 : 80) ? "" : String(url.port)),
  url
})
