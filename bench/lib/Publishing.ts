/** HTTP publishes of new names, one value each, as fast as the connections take them. */
import { randomBytes } from "node:crypto"
import { jsonRequest } from "./HttpConnection.ts"
import { load, type Loaded } from "./Load.ts"
import { zone } from "./Workload.ts"

const value = "v=bench;".padEnd(241, "x")

/** Each publish has a name nobody has used: chunk names, which any user may write. */
const nextRequest = (token: string): (() => string) => {
  const run = randomBytes(3).toString("hex")
  let count = 0
  return () => {
    const hex = `${run}${(count++).toString(16).padStart(6, "0")}`
    const owner = `chunk-${String(count % 10_000).padStart(4, "0")}-${hex}.${zone}`
    return jsonRequest("POST", `/v1/records/${owner}`, { token, body: { value, ttl: 3600 } })
  }
}

export const publishing = (options: {
  readonly port: number
  readonly seconds: number
  readonly token: string
  readonly connections?: number
}): Promise<Loaded> => {
  const next = nextRequest(options.token)
  return load({
    port: options.port,
    connections: options.connections ?? 64,
    seconds: options.seconds,
    expected: 201,
    operation: (connection) => connection.send(next())
  })
}
