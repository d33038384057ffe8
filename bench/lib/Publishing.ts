/** HTTP publishes of new names, one value each, as fast as the connections take them. */
import { randomBytes } from "node:crypto"
import { jsonRequest } from "./HttpConnection.ts"
import { load, type Loaded } from "./Load.ts"
import { type Held, zone } from "./Workload.ts"

const value = "v=bench;".padEnd(241, "x")

/** Chunk names, which any user may write. */
const plain = (i: number, run: string): Held => {
  const hex = `${run}${i.toString(16).padStart(6, "0")}`
  return { owner: `chunk-${String(i % 10_000).padStart(4, "0")}-${hex}.${zone}`, value }
}

export const publishing = (options: {
  readonly port: number
  readonly seconds: number
  readonly token: string
  readonly connections?: number
  /** The record of a number; `run` tells these numbers from those of earlier runs. */
  readonly record?: (i: number, run: string) => Held
}): Promise<Loaded> => {
  const { record = plain, token } = options
  const run = randomBytes(3).toString("hex")
  let count = 0
  const next = (): string => {
    const { owner, value } = record(count++, run)
    return jsonRequest("POST", `/v1/records/${owner}`, { token, body: { value, ttl: 3600 } })
  }
  return load({
    port: options.port,
    connections: options.connections ?? 64,
    seconds: options.seconds,
    expected: 201,
    operation: (connection) => connection.send(next())
  })
}
