/** Nodes of one cluster as processes on the loopback, and what their peers see of them. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { createServer, connect, type Socket } from "node:net"
import { Clock, Effect, Schema } from "effect"
import * as SqlRecordStore from "../../src/sql/SqlRecordStore.ts"
import * as Name from "../../src/wire/Name.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { eventually, freePorts } from "../peers/ClusterNode.ts"
import {
  type Answer,
  directory,
  type Environment,
  NodeProblem,
  type NodeProcess,
  request,
  start
} from "./NodeProcess.ts"

export const zone = "mesh.test"
export const syncToken = "sync-token-of-this-test"
export const operatorToken = "operator-token-of-this-test"

export interface Member {
  readonly id: string
  readonly dir: string
  /** Port of the sync routes, the same at every start. */
  readonly sync: number
  readonly env: Environment
}

export const urlOf = ({ sync }: Pick<Member, "sync">): string => `http://127.0.0.1:${sync}`

/** `ids` with a place on the disk and a sync port each; `peersOf` says whom each one follows. */
export const members = (
  ids: ReadonlyArray<string>,
  settings: {
    readonly env?: (id: string, dir: string) => Environment
    readonly peersOf?: (id: string, all: ReadonlyMap<string, number>) => ReadonlyArray<string>
  } = {}
) =>
  Effect.gen(function* () {
    const dir = yield* directory
    const ports = yield* freePorts(ids.length)
    const all = new Map(ids.map((id, at) => [id, ports[at] ?? 0]))
    const others = (id: string) =>
      ids.filter((other) => other !== id).map((other) => urlOf({ sync: all.get(other) ?? 0 }))
    return ids.map((id): Member => {
      const sync = all.get(id) ?? 0
      return {
        id,
        dir,
        sync,
        env: {
          DMP_DB_PATH: join(dir, `${id}.db`),
          DMP_DOMAIN: zone,
          DMP_NODE_ID: id,
          DMP_OPERATOR_TOKEN: operatorToken,
          DMP_AUTH_MODE: "legacy",
          DMP_CLUSTER_FILE: join(dir, `${id}.cluster.json`),
          DMP_SYNC_SELF_ENDPOINT: urlOf({ sync }),
          DMP_SYNC_PEERS: (settings.peersOf?.(id, all) ?? others(id)).join(","),
          DMP_SYNC_PEER_TOKEN: syncToken,
          DMP_SYNC_INTERVAL: "1",
          DMP_SYNC_HOST: "127.0.0.1",
          DMP_SYNC_PORT: String(sync),
          DMP_HTTP_RATE: "0",
          DMP_SYNC_RATE: "0",
          ...settings.env?.(id, dir)
        }
      }
    })
  })

/** Writes `count` records that live for a day into the database of a member that does not run. */
export const fill = (
  { env }: Member,
  count: number,
  record: (at: number) => { readonly owner: string; readonly value: string }
) =>
  Effect.gen(function* () {
    const store = yield* RecordStore
    const createdAt = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    for (let from = 0; from < count; from += 5000)
      yield* store.commit(
        Array.from({ length: Math.min(5000, count - from) }, (_, at) => {
          const { owner, value } = record(from + at)
          const life = { ttl: 86_400, createdAt, expiresAt: createdAt + 86_400 }
          return { _tag: "Put", row: { owner: Name.unsafeMake(owner), value, ...life } } as const
        })
      )
  }).pipe(Effect.provide(SqlRecordStore.layerFile(env["DMP_DB_PATH"] ?? "")))

export const run = (member: Member) => start(member.env)

/** One of exactly three. */
export const three = <A>(all: ReadonlyArray<A>): readonly [A, A, A] => {
  const [a, b, c] = all
  if (a === undefined || b === undefined || c === undefined) throw new Error("not three")
  return [a, b, c]
}

export const bearer = (token: string): RequestInit => ({
  headers: { authorization: `Bearer ${token}` }
})

/** A question on the sync routes. */
export const ask = (member: Member, path: string, token = syncToken, init: RequestInit = {}) =>
  request({ http: member.sync }, path, { ...init, ...bearer(token) })

export const withdraw = (node: NodeProcess, owner: string, value: string) =>
  request(node, `/v1/records/${owner}`, {
    method: "DELETE",
    ...bearer(operatorToken),
    body: JSON.stringify({ value })
  })

const Values = Schema.parseJson(Schema.Struct({ values: Schema.Array(Schema.String) }))

/** What a node answers with at `owner`. */
export const valuesAt = (node: NodeProcess, owner: string) =>
  request(node, `/v1/records/${owner}`, bearer(operatorToken)).pipe(
    Effect.flatMap(({ body }) => Schema.decodeUnknown(Values)(body)),
    Effect.map(({ values }) => values)
  )

const Page = Schema.parseJson(
  Schema.Struct({
    records: Schema.Array(Schema.Struct({ name: Schema.String, hash: Schema.String })),
    has_more: Schema.Boolean,
    next_cursor: Schema.String
  })
)

/** Everything a node holds: how many rows, and a digest of their names and values' hashes. */
export const holdings = (member: Member) =>
  Effect.gen(function* () {
    const rows: Array<string> = []
    let cursor = ""
    for (let at = 0; at < 100; at++) {
      const query = new URLSearchParams({ cursor, limit: "10000", ext: "1" })
      const { body } = yield* ask(member, `/v1/sync/digest?${query}`)
      const page = yield* Schema.decodeUnknown(Page)(body)
      for (const { hash, name } of page.records) rows.push(`${name} ${hash}`)
      if (!page.has_more) break
      cursor = page.next_cursor
    }
    const digest = createHash("sha256").update(rows.sort().join("\n")).digest("hex")
    return { count: rows.length, distinct: new Set(rows).size, digest }
  })

const Status = Schema.parseJson(
  Schema.Struct({
    manifest: Schema.NullOr(Schema.Struct({ seq: Schema.String })),
    peers: Schema.Array(
      Schema.Struct({ node_id: Schema.String, state: Schema.String, rows_taken: Schema.Number })
    )
  })
)

export const status = (member: Member) =>
  Effect.flatMap(ask(member, "/v1/sync/status"), ({ body }) => Schema.decodeUnknown(Status)(body))

/** The installed manifest's number and the peers' ids, as one line. */
export const membership = (member: Member) =>
  Effect.map(status(member), ({ manifest, peers }) => {
    const ids = peers.map(({ node_id }) => node_id).sort()
    return `${manifest === null ? "none" : manifest.seq}: ${ids.join(" ")}`
  })

/** Waits until `check` holds; yields the ms it took. A failed question is a no. */
export const until = <E>(check: Effect.Effect<boolean, E>, within: number) =>
  eventually(
    Effect.orElseSucceed(check, () => false),
    within
  )

/** Publishes `count` records in parallel; fails when one is refused. */
export const publishMany = (
  node: NodeProcess,
  count: number,
  record: (at: number) => { readonly name: string; readonly value: string }
) =>
  Effect.forEach(
    Array.from({ length: count }, (_, at) => record(at)),
    ({ name, value }) =>
      Effect.filterOrFail(
        request(node, `/v1/records/${name}`, {
          method: "POST",
          ...bearer(operatorToken),
          body: JSON.stringify({ value, ttl: 3600 })
        }),
        ({ status }: Answer) => status === 201,
        ({ body, status }) => new NodeProblem({ message: `${name}: ${status} ${body}` })
      ),
    { concurrency: 64, discard: true }
  )

/** A TCP relay to a port of the loopback, which can be cut and mended. */
export const relay = (to: () => number) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly cut: (is: boolean) => void; close: () => void }>(
      (resume) => {
        const open = new Set<Socket>()
        let isCut = false
        const drop = () => open.forEach((socket) => socket.destroy())
        const server = createServer((near) => {
          if (isCut) return void near.destroy()
          const far = connect(to(), "127.0.0.1")
          for (const [socket, other] of [
            [near, far],
            [far, near]
          ] as const) {
            open.add(socket)
            socket.on("error", () => other.destroy())
            socket.on("close", () => {
              open.delete(socket)
              other.destroy()
            })
            socket.pipe(other)
          }
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(
            Effect.succeed({
              port: typeof address === "object" && address !== null ? address.port : 0,
              cut: (is: boolean) => {
                isCut = is
                if (is) drop()
              },
              close: () => {
                drop()
                server.close()
              }
            })
          )
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )
