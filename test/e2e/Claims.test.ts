/** Claims by UPDATE without a key: for whom, which, and how many. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as M from "../wire/messages.ts"
import { begin, Community, shared } from "./Community.ts"
import * as Dns from "./DnsClient.ts"
import * as Mail from "./Mail.ts"
import { type Environment, publish } from "./NodeProcess.ts"
import * as User from "./User.ts"

const { zone } = User

const changing = (...authorities: ReadonlyArray<Buffer>) => M.update(zone, { authorities })
const stranger = User.person(`bob@${zone}`)
layer(Community.layer, shared)("an unsigned claim", (it) => {
  const claimTo = (to: User.User, value = Mail.claim(stranger), slot = 2, ttl = 300) =>
    changing(M.add(to.claim(slot), value, ttl))

  it.scoped("is taken for the node's users, and for nobody else", () =>
    Effect.gen(function* () {
      const { key, node, user } = yield* Community
      // Known by an identity alone, as users with tokens are.
      const carol = User.person(`carol@${zone}`)
      const token = User.tokenOf(yield* User.register(node, "confirm", carol))
      const rcodeOf = (message: Buffer, transport: Dns.Transport) =>
        Effect.map(Dns.send(node.dns, message, { transport }), (reply) => reply.rcode)
      const { owner, ttl, value } = Mail.identity(carol)
      assert.strictEqual(yield* rcodeOf(claimTo(carol), "tcp"), "REFUSED")
      assert.strictEqual((yield* publish(node, owner, value, ttl, token)).status, 201)

      const now = Dns.seconds()
      const forged = Mail.claim(stranger).replace(/.{12}(.{8})$/, "AAAAAAAAAAAA$1")
      const rows: ReadonlyArray<readonly [string, Buffer, string]> = [
        ["to a key's holder", claimTo(user), "NOERROR"],
        ["to whom an identity is held of", claimTo(carol), "NOERROR"],
        ["to a stranger", claimTo(stranger), "REFUSED"],
        ["with a forged signature", claimTo(user, forged), "REFUSED"],
        ["for another slot", claimTo(user, Mail.claim(stranger), 3), "REFUSED"],
        [
          "that is over",
          claimTo(user, Mail.claim(stranger, { ts: now - 9, exp: now - 1 })),
          "REFUSED"
        ],
        [
          "from tomorrow",
          claimTo(user, Mail.claim(stranger, { ts: now + 9e4, exp: now + 9e4 + 9 })),
          "REFUSED"
        ],
        [
          "that lasts too long",
          claimTo(user, Mail.claim(stranger, { exp: now + 86_400 + 60 })),
          "REFUSED"
        ],
        ["with a TTL above the cap", claimTo(user, Mail.claim(stranger), 2, 86_401), "REFUSED"],
        [
          "and something else",
          changing(M.add(user.claim(2), Mail.claim(stranger)), M.add(`note.${user.prekeys}`, "v")),
          "REFUSED"
        ],
        [
          "and a delete",
          changing(M.add(user.claim(2), Mail.claim(stranger)), M.deleteRrset(user.claim(3))),
          "REFUSED"
        ],
        [
          "below a longer name",
          changing(M.add(`x.${user.claim(2)}`, Mail.claim(stranger))),
          "REFUSED"
        ],
        ["at a slot", changing(M.add(user.slot(2), Mail.claim(stranger))), "REFUSED"]
      ]
      for (const transport of Dns.transports)
        for (const [what, message, code] of rows)
          assert.strictEqual(yield* rcodeOf(message, transport), code, `${transport}: ${what}`)

      // It lives no longer than it says itself, and nobody without a key takes it away.
      const soon = Mail.claim(stranger, { exp: Dns.seconds() + 2 })
      assert.strictEqual(yield* rcodeOf(claimTo(user, soon), "tcp"), "NOERROR")
      assert.include(yield* Dns.resolve(node.dns, user.claim(2)), soon)
      const away = changing(M.deleteRrset(user.claim(2)))
      assert.strictEqual(yield* rcodeOf(away, "tcp"), "REFUSED")
      yield* Effect.sleep("2500 millis")
      assert.notInclude(yield* Dns.resolve(node.dns, user.claim(2)), soon)
      assert.strictEqual((yield* Dns.send(node.dns, away, { key })).rcode, "NOERROR")
      assert.deepStrictEqual(yield* Dns.resolve(node.dns, user.claim(2)), [])

      // A name is the same name however it is spelled, for writers as for readers.
      const loud = Mail.claim(stranger)
      const spelled = user.claim(2).toUpperCase()
      assert.strictEqual(
        yield* rcodeOf(
          M.update(zone.toUpperCase(), { authorities: [M.add(spelled, loud)] }),
          "tcp"
        ),
        "NOERROR"
      )
      for (const owner of [user.claim(2), spelled])
        assert.deepStrictEqual(yield* Dns.resolve(node.dns, owner), [loud], owner)
    })
  )

  it.scoped("goes by the role the operator chose", () =>
    Effect.gen(function* () {
      const roles: ReadonlyArray<readonly [Environment, string, string]> = [
        [{ DMP_CLAIM_PROVIDER: "1" }, "NOERROR", "NOERROR"],
        [{ DMP_CLAIM_PROVIDER: "0" }, "REFUSED", "REFUSED"],
        [{ DMP_CLAIM_PROVIDER: "0", DMP_RECEIVER_CLAIM_NOTIFICATIONS: "1" }, "NOERROR", "REFUSED"]
      ]
      for (const [env, known, unknown] of roles) {
        const { node, user } = yield* begin(env)
        for (const transport of Dns.transports) {
          const send = (message: Buffer) =>
            Effect.map(Dns.send(node.dns, message, { transport }), (reply) => reply.rcode)
          assert.strictEqual(yield* send(claimTo(user)), known, JSON.stringify(env))
          assert.strictEqual(yield* send(claimTo(stranger)), unknown, JSON.stringify(env))
        }
      }
    })
  )

  it.scoped("of too many comes over TCP, and waits there", () =>
    Effect.gen(function* () {
      const { node, user } = yield* begin({
        DMP_CLAIM_UDP_RATE: "0",
        DMP_CLAIM_RATE_PER_USER_PER_SEC: "0.001",
        DMP_CLAIM_RATE_BURST: "2"
      })
      const send = (transport: Dns.Transport) => Dns.send(node.dns, claimTo(user), { transport })
      assert.deepInclude(yield* send("udp"), { rcode: "NOERROR", truncated: true })
      assert.deepStrictEqual(yield* Dns.resolve(node.dns, user.claim(2)), [])
      const rcodes = yield* Effect.forEach([1, 2, 3], () => send("tcp"))
      assert.deepStrictEqual(
        rcodes.map((reply) => reply.rcode),
        ["NOERROR", "NOERROR", "SERVFAIL"]
      )
    })
  )
})
