/**
 * What `node:http` and better-sqlite3 can do at most, for bench/publish.ts: the same table,
 * synchronous=FULL, no rules at all. One commit for all requests of an event-loop turn, or one
 * each.
 *
 *     node bench/lib/bareServer.ts <turn|request> <port> <database>
 */
import { createHash } from "node:crypto"
import { createServer, type ServerResponse } from "node:http"
import { createRequire } from "node:module"

interface Statement {
  readonly run: (...params: ReadonlyArray<string | number>) => unknown
}
interface Database {
  readonly prepare: (sql: string) => Statement
  readonly exec: (sql: string) => unknown
}

const [mode, port, path] = process.argv.slice(2)
// better-sqlite3 ships no types.
const Sqlite: new (path: string | undefined) => Database = createRequire(import.meta.url)(
  "better-sqlite3"
)
const database = new Sqlite(path)
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
const insert = database.prepare(
  `INSERT INTO records (name, value, ttl, created_at, expires_at, stored_ts, value_hash)
   VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name, value) DO UPDATE SET ttl = excluded.ttl`
)

interface Publish {
  readonly name: string
  readonly body: { readonly value: string; readonly ttl: number }
  readonly response: ServerResponse
}

let storedTs = Math.floor(performance.timeOrigin)
const put = ({ body, name }: Publish): void => {
  const now = Math.floor((performance.timeOrigin + performance.now()) / 1000)
  const hash = createHash("sha256").update(body.value).digest("hex")
  insert.run(name, body.value, body.ttl, now, now + body.ttl, ++storedTs, hash)
}
const created = Buffer.from('{"ok":true}')
const acknowledge = ({ response }: Publish): void => {
  response.writeHead(201, { "content-type": "application/json", "content-length": created.length })
  response.end(created)
}

let turn: Array<Publish> = []
const commitTurn = (): void => {
  const group = turn
  turn = []
  database.exec("BEGIN IMMEDIATE")
  group.forEach(put)
  database.exec("COMMIT")
  group.forEach(acknowledge)
}
const take = (publish: Publish): void => {
  if (mode === "request") {
    put(publish)
    acknowledge(publish)
  } else if (turn.push(publish) === 1) setImmediate(commitTurn)
}

createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () => {
    const name = (request.url ?? "").slice("/v1/records/".length)
    if (chunks.length === 0) response.writeHead(200).end()
    else take({ name, body: JSON.parse(String(Buffer.concat(chunks))), response })
  })
}).listen(Number(port), "127.0.0.1")
