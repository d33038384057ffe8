/** What the cluster file says: the record itself, or only a list of nodes. */
import { Either, Option, Schema } from "effect"
import type { NamedNode } from "./PeerList.ts"

export type ClusterFile =
  | { readonly _tag: "Wire"; readonly wire: string }
  | { readonly _tag: "Nodes"; readonly nodes: ReadonlyArray<NamedNode> }

const decode = Schema.decodeUnknownEither(
  Schema.parseJson(
    Schema.Union(
      Schema.Struct({ wire: Schema.String }),
      Schema.Struct({
        nodes: Schema.Array(Schema.Struct({ node_id: Schema.String, http_endpoint: Schema.String }))
      })
    )
  )
)

/** Nothing when `text` has none of the three shapes. */
export const parse = (text: string): Option.Option<ClusterFile> => {
  const trimmed = text.trim()
  if (trimmed.startsWith("v=dmp1;t=cluster;")) return Option.some({ _tag: "Wire", wire: trimmed })
  const read = decode(trimmed)
  if (Either.isLeft(read)) return Option.none()
  return Option.some(
    "wire" in read.right
      ? { _tag: "Wire", wire: read.right.wire.trim() }
      : {
          _tag: "Nodes",
          nodes: read.right.nodes.map(({ http_endpoint, node_id }) => ({
            nodeId: node_id,
            httpEndpoint: http_endpoint
          }))
        }
  )
}
