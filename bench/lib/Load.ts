/** Closed-loop load: so many connections, each with one operation in flight at any time. */
import { type HttpAnswer, type HttpConnection, open } from "./HttpConnection.ts"
import { type Percentiles, percentiles } from "./Percentiles.ts"

export interface Loaded {
  readonly perSecond: number
  readonly done: number
  /** Operations that did not end as they should. */
  readonly failed: number
  /** Milliseconds. */
  readonly latency: Percentiles
}

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** Performs one operation; its last answer decides. */
  readonly operation: (connection: HttpConnection) => Promise<HttpAnswer>
  readonly expected: number
}

export const load = async (options: LoadOptions): Promise<Loaded> => {
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => open(options.port))
  )
  const times: Array<number> = []
  let failed = 0
  let example = ""
  const began = performance.now()
  const until = began + options.seconds * 1000
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < until) {
        const start = performance.now()
        const { body, status } = await options.operation(connection)
        if (status === options.expected) times.push(performance.now() - start)
        else {
          failed++
          example = `${status} ${body}`
        }
      }
      connection.close()
    })
  )
  const elapsed = (performance.now() - began) / 1000
  if (failed > 0) console.error(`${failed} operations failed, such as: ${example}`)
  return {
    perSecond: times.length / elapsed,
    done: times.length,
    failed,
    latency: percentiles(times)
  }
}
