/** The operator beside the running node, and strangers racing for one name. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { rcode } from "../../src/wire/Codes.ts"
import type { Key } from "../../src/wire/Tsig.ts"
import { eventually } from "../fixtures/Tools.ts"
import * as M from "../wire/messages.ts"
import { admin, runNode } from "./Admin.ts"
import { Community, join, shared } from "./Community.ts"
import * as Dns from "./DnsClient.ts"
import { publish, request } from "./NodeProcess.ts"
import * as User from "./User.ts"

const { zone } = User

const changing = (...authorities: ReadonlyArray<Buffer>) => M.update(zone, { authorities })
layer(Community.layer, shared)("the operator's commands, beside the running node", (it) => {
  it.scoped("give, narrow, replace and end keys and tokens at once", () =>
    Effect.gen(function* () {
      const { env, node } = yield* Community
      const { key, user } = yield* join(node, "carol")
      const own = `note.${user.prekeys}`
      const send = (by: Key, message = changing(M.add(own, String(Math.random())))) =>
        Effect.map(Dns.send(node.dns, message, { key: by }), ({ rcode: code, tsigError }) =>
          tsigError === 0 ? code : `${code} ${tsigError}`
        )
      const becomes = (by: Key, expected: string) =>
        eventually(
          Effect.map(send(by), (code) => code === expected),
          1.5
        )
      const did = (...args: ReadonlyArray<string>) =>
        Effect.map(admin(env, ...args), ({ code, output }) => {
          assert.strictEqual(code, 0, output)
          return output
        })
      assert.strictEqual(yield* send(key), "NOERROR")
      yield* did("tsig", "rescope", key.name, "--suffix", `elsewhere.${zone}`)
      yield* becomes(key, "REFUSED")
      yield* did("tsig", "rescope", key.name, "--suffix", user.prekeys)
      yield* becomes(key, "NOERROR")
      const rotated = User.members({ body: yield* did("tsig", "rotate", key.name, "--json") })
      const fresh = { ...key, secret: Buffer.from(String(rotated["secret_hex"]), "hex") }
      // A secret nobody used before counts with its first message, and ends the former.
      assert.strictEqual(yield* send(fresh), "NOERROR")
      assert.strictEqual(yield* send(key), `NOTAUTH ${rcode.BADSIG}`)
      yield* did("tsig", "revoke", key.name)
      yield* becomes(fresh, `NOTAUTH ${rcode.BADKEY}`)

      const token = User.tokenOf(yield* User.register(node, "confirm", user))
      const write = publish(node, user.identity, "v=x", 60, token).pipe(
        Effect.map(({ status }) => status),
        Effect.orDie
      )
      assert.strictEqual(yield* write, 201)
      const rotatedToken = User.members({
        body: yield* did("token", "rotate", user.subject, "--json")
      })
      yield* eventually(
        Effect.map(write, (status) => status === 401),
        1.5
      )
      const next = String(rotatedToken["token"])
      assert.strictEqual((yield* publish(node, user.identity, "v=x", 60, next)).status, 201)

      // A ban ends everything, and nothing begins again.
      const again = yield* User.register(node, "tsig-confirm", user)
      yield* did("subject", "ban", user.subject, "--note", "spam")
      yield* becomes(User.keyOf(again), `NOTAUTH ${rcode.BADKEY}`)
      const banned = publish(node, user.identity, "v=x", 60, next).pipe(
        Effect.map(({ status }) => status === 401),
        Effect.orDie
      )
      yield* eventually(banned, 1.5)
      for (const step of ["confirm", "tsig-confirm"] as const)
        assert.strictEqual((yield* User.register(node, step, user)).status, 403)
    })
  )

  it.scoped("find no gap between two changes of one key", () =>
    Effect.gen(function* () {
      const { env, node } = yield* Community
      const { key, user } = yield* join(node, "dave")
      const own = `note.${user.prekeys}`
      // Updates in flight all the time: none of them is taken after the revocation counts.
      const taken: Array<number> = []
      const one = (n: number) =>
        Effect.gen(function* () {
          const at = Date.now()
          const add = changing(M.add(own, `s${n % 9}`))
          const { rcode: code } = yield* Dns.send(node.dns, add, { key })
          if (code === "NOERROR") taken.push(at)
        })
      const storm = Effect.iterate(0, {
        while: () => true,
        body: (n) => Effect.as(one(n), n + 1)
      })
      const revoke = Effect.sleep("300 millis").pipe(
        Effect.zipRight(admin(env, "tsig", "revoke", key.name)),
        Effect.map((done) => ({ done, at: Date.now() }))
      )
      const revoked = yield* Effect.raceFirst(
        storm,
        Effect.zipLeft(revoke, Effect.sleep("1500 millis"))
      )
      if (typeof revoked === "number") return assert.fail("the storm ended")
      assert.strictEqual(revoked.done.code, 0, revoked.done.output)
      assert.isAbove(taken.length, 10)
      assert.isBelow(taken.at(-1) ?? 0, revoked.at + 1000)
      const metrics = yield* request(node, "/metrics", {
        headers: { authorization: `Bearer ${User.operatorToken}` }
      })
      assert.match(metrics.body, /dmp_dns_queries_total\{outcome="tsig_failed"\} [1-9]/)
    })
  )
  it.scoped("see one owner of a name that many raced for, whichever routes they came by", () =>
    Effect.gen(function* () {
      const { env, node } = yield* Community
      for (let round = 0; round < 4; round++) {
        const subject = `race${round}@${zone}`
        const rivals = Array.from({ length: 6 }, () => User.person(subject))
        const steps = ["confirm", "tsig-confirm"] as const
        const answers = yield* Effect.all(
          rivals.flatMap((rival) =>
            steps.map((step) =>
              Effect.map(User.register(node, step, rival), ({ status }) => ({ rival, status }))
            )
          ),
          { concurrency: "unbounded" }
        )
        const winners = new Set(
          answers.filter(({ status }) => status === 200).map(({ rival }) => rival)
        )
        assert.strictEqual(winners.size, 1, "one key won")
        assert.sameMembers([...new Set(answers.map(({ status }) => status))], [200, 409])
        const shown = yield* admin(env, "subject", "show", subject, "--json")
        const owner = User.members({ body: shown.output })["owner"]
        const [winner] = winners
        assert.propertyVal(owner, "spk", User.hex(winner?.spk ?? new Uint8Array()))
      }
      // The same key many times over: always welcome, and one credential of each kind is left.
      const one = User.person(`same@${zone}`)
      const again = yield* Effect.all(
        Array.from({ length: 8 }, (_, n) =>
          User.register(node, n % 2 === 0 ? "confirm" : "tsig-confirm", one)
        ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(again.map(({ status }) => status))], [200])
      const tokens = again.filter((_, n) => n % 2 === 0).map(User.tokenOf)
      const writes = yield* Effect.forEach(tokens, (token) =>
        publish(node, one.identity, "v=x", 60, token)
      )
      assert.strictEqual(writes.filter(({ status }) => status === 201).length, 1)
      assert.strictEqual(writes.filter(({ status }) => status === 401).length, 3)
      const keys = again.filter((_, n) => n % 2 === 1).map(User.keyOf)
      const signed = yield* Effect.forEach(keys, (key) =>
        Dns.send(node.dns, changing(M.add(one.identity, "v=y")), { key })
      )
      const codes = signed.map((reply) => reply.rcode)
      assert.strictEqual(codes.filter((code) => code === "NOERROR").length, 1)
      assert.strictEqual(codes.filter((code) => code === "NOTAUTH").length, 3)
    })
  )

  it.scoped("explain themselves under both names, and refuse a wrong line with 2", () =>
    Effect.gen(function* () {
      const { env } = yield* Community
      const groups = ["token issue", "tsig rotate", "subject transfer", "audit tail"]
      for (const help of [yield* admin(env, "--help"), yield* runNode(env, "--help")]) {
        assert.strictEqual(help.code, 0)
        for (const group of [...groups, "registration status"]) assert.include(help.output, group)
      }
      const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["token", "issue"], /subject/],
        [["token", "issue", "nobody"], /subject does not match/],
        [["token", "issue", `x@${zone}`, "--expires", "soon"], /error: --expires: /],
        [["token", "rotate", `x@${zone}`, "--expires", "1 d"], /error: --expires: /],
        [["token", "revoke", ""], /error: /],
        [["token", "revoke", "abc"], /8 hex digits/],
        [["--db", "/nonexistent/x.db", "token", "list"], /DB parent directory does not exist/]
      ]
      for (const [line, says] of wrong) {
        const { code, output } = yield* admin(env, ...line)
        assert.match(output, says)
        assert.strictEqual(code, 2, output)
        assert.notMatch(output, /\n\s+at /)
      }
      const status = yield* admin(env, "registration", "status", "--json")
      assert.deepInclude(User.members({ body: status.output }), {
        tokens: true,
        tsig_keys: true,
        zone
      })
    })
  )
})
