/** Cookies of one secret are good at every server that has it, BIND, Knot and NSD included. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { installed, run } from "../fixtures/Tools.ts"
import * as WholeNode from "../fixtures/WholeNode.ts"
import * as Peers from "./Peers.ts"

const zone = "mesh.test"
const secret = "00112233445566778899aabbccddeeff"
const client = "0102030405060708"
const file = `$ORIGIN ${zone}.
@ 60 SOA ns1 hostmaster 1 3600 600 604800 30
@ 60 NS ns1
ns1 60 A 127.0.0.1
`

/** What answers a query with `cookie`, which dig does not repeat by itself. */
const ask = (port: number, cookie: string) =>
  Effect.map(
    run("dig", [
      "@127.0.0.1",
      ...["-p", String(port), "+tries=1", "+time=1", "+norec", "+nobadcookie"],
      ...[`+cookie=${cookie}`, zone, "SOA"]
    ]),
    ({ stdout }) => ({
      status: /status: (\w+)/.exec(stdout)?.[1],
      cookie: /COOKIE: ([0-9a-f]+)/.exec(stdout)?.[1] ?? ""
    })
  )

describe.skipIf(!installed("dig", ...Peers.programs))("cookies", () => {
  for (const name of Peers.peerNames)
    it.scopedLive(`are the same as ${name}'s`, () =>
      Effect.gen(function* () {
        // Nothing but the first query passes without a cookie.
        const node = yield* WholeNode.start({
          DMP_DNS_COOKIE_SECRET: secret,
          DMP_DNS_RATE: "0.001",
          DMP_DNS_BURST: "1"
        })
        const peer = yield* Peers.start(name, zone, file, { cookieSecret: secret })
        const theirs = yield* ask(peer, client)
        assert.match(theirs.cookie, new RegExp(`^${client}01000000[0-9a-f]{24}$`))
        assert.strictEqual((yield* ask(node.dns, client)).status, "NOERROR")
        assert.strictEqual((yield* ask(node.dns, client)).status, "BADCOOKIE")
        assert.strictEqual(
          (yield* ask(node.dns, `${client}${"01".repeat(16)}`)).status,
          "BADCOOKIE"
        )
        // Theirs is good here, and kept as it is.
        assert.deepStrictEqual(yield* ask(node.dns, theirs.cookie), {
          status: "NOERROR",
          cookie: theirs.cookie
        })
        const ours = yield* ask(node.dns, client)
        assert.strictEqual(ours.status, "BADCOOKIE")
        assert.strictEqual((yield* ask(peer, ours.cookie)).status, "NOERROR")
        if (name === "BIND")
          assert.strictEqual(
            (yield* ask(peer, `${client}${"01".repeat(16)}`)).status,
            "BADCOOKIE",
            "it would have been refused"
          )
      })
    )
})
