/** What strangers can reach and should not. Only seen from elsewhere: to the node's own host all is near. */
import { Effect, Option } from "effect"
import { type Finding, fail, ok } from "./Finding.ts"
import * as HttpProbe from "./HttpProbe.ts"
import { addressesOf, type World } from "./World.ts"

const remedy = {
  plain:
    "publish that port to the proxy alone (docker-compose.prod.yml, DMP_HTTP_HOST=127.0.0.1), or close it in the firewall",
  metrics: "set DMP_OPERATOR_TOKEN: without it everybody reads how busy the node is"
}

/** The API without TLS, past the proxy: tokens would cross the network in clear. */
const plainHttp = (plainPort: number, hostname: string, address: string) =>
  HttpProbe.get({ tls: false, address, port: plainPort, host: hostname, path: "/livez" }).pipe(
    Effect.option,
    Effect.map(
      Option.match({
        onNone: () => ok("plain-http", `${address} keeps port ${plainPort} to itself`),
        onSome: () =>
          fail("plain-http", `${address} answers plain HTTP on port ${plainPort}`, remedy.plain)
      })
    )
  )

const metrics = (world: World, hostname: string, address: string) =>
  HttpProbe.get({
    tls: true,
    address,
    port: world.httpsPort,
    host: hostname,
    path: "/metrics",
    ...(world.authorities === undefined ? {} : { authorities: world.authorities })
  }).pipe(
    Effect.option,
    // Where nothing answers, there is nothing to read; that it should is another check's.
    Effect.map((answer) =>
      Option.isSome(answer) && answer.value.status === 200
        ? fail("metrics", `${hostname} (${address}) shows its metrics to everybody`, remedy.metrics)
        : ok("metrics", `${hostname} (${address}) keeps its metrics to itself`)
    )
  )

/** At every address of the public name; `plainPort` is where the node itself listens. */
export const exposure = (
  world: World,
  plainPort: number,
  hostname: string
): Effect.Effect<ReadonlyArray<Finding>> =>
  addressesOf(world, hostname).pipe(
    Effect.flatMap(
      Effect.forEach((address) =>
        Effect.all([plainHttp(plainPort, hostname, address), metrics(world, hostname, address)])
      )
    ),
    Effect.map((found) => found.flat()),
    // That the name does not resolve is said elsewhere.
    Effect.orElseSucceed(() => [])
  )
