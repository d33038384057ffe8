/**
 * A released node as its peers see it, made from the description of its sync routes and of its
 * worker: HTTP/1.0, one page and one pull a tick, a watermark that stops at the first row it
 * does not take.
 */
import { Either } from "effect"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import http from "node:http"
import * as ImportCheck from "../../src/dmp/ImportCheck.ts"
import { valueHash } from "../../src/zone/ValueHash.ts"

interface Row {
  readonly name: string
  readonly value: string
  readonly hash: string
  readonly storedTs: number
  /** Unix seconds. */
  readonly expiresAt: number
}

interface Mark {
  readonly ts: number
  readonly name: string
  readonly hash: string
}

const maxBody = 16_384
const pageSize = 1000
const pairsOfAPull = 256
const slop = 5

const compare = (a: Mark, b: Mark): number =>
  a.ts - b.ts ||
  Buffer.compare(Buffer.from(`${a.name}\n${a.hash}`), Buffer.from(`${b.name}\n${b.hash}`))

export class ReleasedNode {
  readonly #rows = new Map<string, Row>()
  readonly #token: string
  readonly #overCount: (request: number) => boolean
  #server: Server | undefined
  #mark: Mark = { ts: 0, name: "", hash: "" }
  readonly requests: Array<{
    readonly path: string
    readonly status: number
    readonly bytes: number
  }> = []
  /** Rows its worker would not take. */
  rejected = 0

  /** `overCount` says of which requests, counted from 1, there is one too many. */
  constructor(token: string, overCount: (request: number) => boolean = () => false) {
    this.#token = token
    this.#overCount = overCount
  }

  /** Any write of a value stamps it anew, so that it moves to the end of the digest. */
  put(name: string, value: string, ttl: number): void {
    const now = Date.now()
    const hash = valueHash(value)
    this.#rows.set(`${name} ${hash}`, {
      name,
      value,
      hash,
      storedTs: now,
      expiresAt: Math.floor(now / 1000) + ttl
    })
  }

  /** Every live `name hash`, sorted, as `RunningNode.holdings` has them. */
  get holdings(): ReadonlyArray<string> {
    return this.#live()
      .map(({ hash, name }) => `${name} ${hash}`)
      .sort()
  }

  ttlOf(name: string, value: string): number | undefined {
    const row = this.#rows.get(`${name} ${valueHash(value)}`)
    return row === undefined ? undefined : row.expiresAt - seconds()
  }

  listen(): Promise<number> {
    const server = createServer((socket) => this.#converse(socket))
    this.#server = server
    return new Promise((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
    )
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#server === undefined) return resolve()
      this.#server.close(() => resolve())
    })
  }

  /** One turn of its worker with the peer at `port`. */
  async tick(port: number): Promise<void> {
    const cursor = `${this.#mark.ts}:${this.#mark.name}:${this.#mark.hash}`
    const page = await this.#ask(
      port,
      "GET",
      `/v1/sync/digest?cursor=${encodeURIComponent(cursor)}&limit=${pageSize}`
    )
    if (page === undefined || !Array.isArray(page.records)) return
    const valid = page.records.filter(isEntry).filter(({ ts }) => ts <= Date.now() + 60_000)
    if (valid.length === 0) return
    const handled = new Set<string>()
    const wanted: Array<Entry> = []
    for (const entry of valid) {
      const ttl = this.#rows.has(`${entry.name} ${entry.hash}`)
        ? (this.#rows.get(`${entry.name} ${entry.hash}`)?.expiresAt ?? 0) - seconds()
        : -1
      if (ttl >= 0 && (entry.ttl === 0 || entry.ttl <= ttl + slop))
        handled.add(`${entry.name} ${entry.hash}`)
      else wanted.push(entry)
    }
    const asked = new Set(wanted.slice(0, pairsOfAPull).map(({ hash, name }) => `${name} ${hash}`))
    if (asked.size > 0) {
      const names = [...new Set(wanted.slice(0, pairsOfAPull).map(({ name }) => name))]
      const pulled = await this.#ask(port, "POST", "/v1/sync/pull", { names })
      for (const row of Array.isArray(pulled?.records) ? pulled.records : []) {
        if (!isPulled(row)) continue
        const key = `${row.name} ${valueHash(row.value)}`
        if (!asked.has(key)) continue
        const check = ImportCheck.verifyRecord(
          row.value,
          row.name.toLowerCase(),
          undefined,
          seconds()
        )
        if (Either.isLeft(check)) {
          this.rejected++
          continue
        }
        this.put(row.name, row.value, row.ttl)
        handled.add(key)
      }
    }
    for (const { hash, name, ts } of valid) {
      // Never past a gap.
      if (!handled.has(`${name} ${hash}`)) return
      this.#mark = { ts, name, hash }
    }
  }

  #live(): ReadonlyArray<Row> {
    const now = seconds()
    return [...this.#rows.values()].filter(({ expiresAt }) => expiresAt > now)
  }

  #ask(port: number, method: string, path: string, body?: unknown): Promise<Reply | undefined> {
    return new Promise((resolve) => {
      const request = http.request(
        {
          host: "127.0.0.1",
          port,
          method,
          path,
          agent: false,
          timeout: 5000,
          headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" }
        },
        (response) => {
          let text = ""
          response.on("data", (chunk: Buffer) => (text += chunk.toString()))
          response.on("end", () =>
            resolve(response.statusCode === 200 ? JSON.parse(text) : undefined)
          )
        }
      )
      request.on("error", () => resolve(undefined))
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  #converse(socket: Socket): void {
    socket.on("error", () => {})
    let octets = Buffer.alloc(0)
    socket.on("data", (chunk: Buffer) => {
      octets = Buffer.concat([octets, chunk])
      const end = octets.indexOf("\r\n\r\n")
      if (end < 0) return
      const [line = "", ...headers] = octets.subarray(0, end).toString("latin1").split("\r\n")
      const header = (name: string) =>
        headers
          .find((each) => each.toLowerCase().startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim()
      const length = Number(header("content-length") ?? 0)
      const body = octets.subarray(end + 4)
      if (length <= maxBody && body.length < length) return
      const [method = "", path = ""] = line.split(" ")
      const [status, answer] = this.#answer(method, path, header("authorization"), length, body)
      this.requests.push({ path, status, bytes: length })
      const text = JSON.stringify(answer)
      socket.end(
        `HTTP/1.0 ${status} Status\r\nServer: BaseHTTP/0.6\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
      )
    })
  }

  #answer(
    method: string,
    path: string,
    authorization: string | undefined,
    length: number,
    body: Buffer
  ): readonly [status: number, answer: unknown] {
    if (this.#overCount(this.requests.length + 1)) return [429, { error: "rate limit exceeded" }]
    if (authorization !== `Bearer ${this.#token}`) return [403, { error: "forbidden" }]
    const url = new URL(path, "http://peer")
    if (method === "GET" && url.pathname === "/v1/sync/digest")
      return this.#digest(url.searchParams)
    if (method !== "POST" || url.pathname !== "/v1/sync/pull") return [404, { error: "not found" }]
    if (length > maxBody) return [400, { error: "invalid body" }]
    const { names } = JSON.parse(body.toString()) as { names: ReadonlyArray<string> }
    if (names.length > 256) return [400, { error: "too many names" }]
    const asked = new Set(names)
    const records = this.#live()
      .filter(({ name }) => asked.has(name))
      .map(({ expiresAt, name, value }) => ({
        name,
        value,
        ttl: Math.max(1, expiresAt - seconds())
      }))
    return [200, { records }]
  }

  #digest(query: URLSearchParams): readonly [number, unknown] {
    const [ts = "0", name = "", hash = ""] = (query.get("cursor") ?? "0::").split(":")
    const after = { ts: Number(ts), name, hash }
    const limit = Math.min(10_000, Number(query.get("limit") ?? 1000))
    const rows = this.#live()
      .map((row) => ({ ...row, ts: row.storedTs }))
      .filter((row) => compare(row, after) > 0)
      .sort(compare)
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return [
      200,
      {
        records: page.map((row) => ({
          name: row.name,
          hash: row.hash,
          ts: row.ts,
          ttl: Math.max(1, row.expiresAt - seconds())
        })),
        has_more: rows.length > limit,
        next_cursor:
          last === undefined ? `${ts}:${name}:${hash}` : `${last.ts}:${last.name}:${last.hash}`
      }
    ]
  }
}

interface Entry {
  readonly name: string
  readonly hash: string
  readonly ts: number
  readonly ttl: number
}
interface Reply {
  readonly records?: unknown
}

const seconds = (): number => Math.floor(Date.now() / 1000)

const isEntry = (raw: unknown): raw is Entry =>
  typeof raw === "object" &&
  raw !== null &&
  "name" in raw &&
  "hash" in raw &&
  "ts" in raw &&
  "ttl" in raw &&
  typeof raw.name === "string" &&
  /^[A-Za-z0-9._-]{1,253}$/.test(raw.name) &&
  typeof raw.hash === "string" &&
  /^[0-9a-f]{64}$/.test(raw.hash) &&
  Number.isInteger(raw.ts) &&
  Number.isInteger(raw.ttl)

const isPulled = (
  raw: unknown
): raw is { readonly name: string; readonly value: string; readonly ttl: number } =>
  typeof raw === "object" &&
  raw !== null &&
  "name" in raw &&
  "value" in raw &&
  "ttl" in raw &&
  typeof raw.name === "string" &&
  typeof raw.value === "string" &&
  typeof raw.ttl === "number" &&
  Number.isInteger(raw.ttl) &&
  raw.ttl > 0
