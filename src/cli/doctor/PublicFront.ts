/** The TLS proxy in front of the node, at every address its public name has. */
import { Clock, Effect } from "effect"
import * as Certificate from "./Certificate.ts"
import * as DnsProbe from "./DnsProbe.ts"
import { type Finding, fail, ok, unknown, warn } from "./Finding.ts"
import * as HttpProbe from "./HttpProbe.ts"
import { addressesOf, type World } from "./World.ts"

/** Why nothing came back over TLS, and what would mend it. */
const unreachable = (where: string, message: string): Finding =>
  /wrong version number|packet length too long|EPROTO/.test(message)
    ? fail(
        "https",
        `${where} does not speak TLS: ${message}`,
        "something else holds that port; the proxy belongs there"
      )
    : /alert|handshake/i.test(message)
      ? fail(
          "https",
          `${where} breaks the handshake off: ${message}`,
          "the proxy has no certificate for that name yet: see its log, and its name against DMP_NODE_HOSTNAME"
        )
      : fail(
          "https",
          `${where}: ${message}`,
          "let 443/tcp through the firewall, and see that the proxy runs"
        )

/** The proxy at one of its addresses: certificate, and whether the node is behind it. */
const at = (world: World, hostname: string, address: string) => {
  const where = `https://${hostname} (${address})`
  return Effect.gen(function* () {
    const { body, certificate, date, status } = yield* HttpProbe.get({
      tls: true,
      address,
      port: world.httpsPort,
      host: hostname,
      path: "/health",
      ...(world.authorities === undefined ? {} : { authorities: world.authorities })
    })
    const now = yield* Clock.currentTimeMillis
    const found = [
      Certificate.finding(hostname, certificate, now),
      status !== 200
        ? fail(
            "https",
            `${where} answers ${status} to /health`,
            status === 502 || status === 503
              ? "the proxy runs and the node behind it does not answer: docs/operations.md, DnsmeshDown"
              : "see the proxy's log"
          )
        : body.includes('"status"')
          ? ok("https", `${where} is this kind of node's /health`)
          : fail("https", `${where} is something else than a node`, "see what answers there")
    ]
    const apart = Math.round(Math.abs(now - date) / 1000)
    // On one machine both are the same clock; it is a difference that proves something.
    return apart > 30
      ? [
          ...found,
          warn("clock", `${hostname} and this machine are ${apart} s apart`, "run NTP on both")
        ]
      : found
  }).pipe(Effect.catchAll(({ message }) => Effect.succeed([unreachable(where, message)])))
}

/** Every address of the public name: a wrong AAAA beside a right A shuts out half the world. */
export const publicFront = (world: World, hostname: string) =>
  Effect.gen(function* () {
    const addresses = yield* addressesOf(world, hostname)
    if (addresses.length === 0)
      return [fail("address", `${hostname} does not resolve`, `create A or AAAA for ${hostname}`)]
    const found = yield* Effect.forEach(addresses, (address) => at(world, hostname, address))
    return found.flat()
  }).pipe(
    Effect.catchAll(({ message }) =>
      Effect.succeed([
        unknown(
          "https",
          `${DnsProbe.show(world.resolver)} does not tell the addresses of ${hostname}: ${message}`,
          "give another --resolver"
        )
      ])
    )
  )
