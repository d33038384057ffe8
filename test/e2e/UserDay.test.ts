/**
 * A user's whole day as raw HTTP and DNS messages: register, mint a TSIG key, publish an
 * identity and prekeys, send a message, find it, and use up a prekey; once by signed UPDATE,
 * once by HTTP with a bearer token.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as Chunk from "../../src/dmp/Chunk.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as Identity from "../../src/dmp/Identity.ts"
import * as Prekey from "../../src/dmp/Prekey.ts"
import { prefixes } from "../../src/dmp/Record.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import type { Key } from "../../src/wire/Tsig.ts"
import { accepted } from "../dmp/samples.ts"
import * as M from "../wire/messages.ts"
import * as Dns from "./DnsClient.ts"
import * as Mail from "./Mail.ts"
import { admin, auditRows } from "./Admin.ts"
import { directory, type NodeProcess, publish, request, start } from "./NodeProcess.ts"
import * as User from "./User.ts"

const { zone } = User

/** How a user's program writes; each fails the test when the node does not take it. */
interface Writer {
  readonly add: (record: Mail.Published) => Effect.Effect<void, unknown>
  readonly withdraw: (record: Mail.Published) => Effect.Effect<void, unknown>
}

/** As released clients do: one record a message, UDP first. */
const byUpdate = (node: NodeProcess, key: Key): Writer => {
  const update = (change: Buffer) =>
    Effect.map(Dns.send(node.dns, M.update(zone, { authorities: [change] }), { key }), (reply) => {
      assert.deepInclude(reply, { rcode: "NOERROR", signature: "Verified", authoritative: true })
    })
  return {
    add: ({ owner, ttl, value }) => update(M.add(owner, value, ttl)),
    withdraw: ({ owner, value }) => update(M.deleteValue(owner, value))
  }
}

const byHttp = (node: NodeProcess, token: string): Writer => ({
  add: ({ owner, ttl, value }) =>
    Effect.map(publish(node, owner, value, ttl, token), ({ body, status }) => {
      assert.strictEqual(status, 201, `${owner} ${body}`)
    }),
  withdraw: ({ owner, value }) =>
    Effect.map(
      request(node, `/v1/records/${owner}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ value })
      }),
      ({ body, status }) => {
        assert.strictEqual(status, 204)
        assert.strictEqual(body, "")
      }
    )
})

const held = (port: number, owner: string, transport: Dns.Transport) =>
  Effect.map(Dns.send(port, Dns.query(owner), { transport }), (reply) => ({
    ...reply,
    values: Dns.texts(reply)
  }))

/** Everything from the first publish to the used prekey, seen by both. */
const day = (node: NodeProcess, alice: [User.User, Writer], bob: [User.User, Writer]) =>
  Effect.gen(function* () {
    const [sender, write] = alice
    const [recipient, take] = bob
    const pool = Mail.prekeys(recipient, 25)
    yield* write.add(Mail.identity(sender))
    yield* take.add(Mail.identity(recipient))
    yield* Effect.forEach(pool, take.add)

    // The sender looks the recipient up: who it is, and a prekey to use.
    const found = yield* held(node.dns, recipient.identity, "udp")
    const identity = accepted(Identity.verify(found.values[0] ?? ""))
    assert.strictEqual(identity.username, recipient.local)
    assert.deepStrictEqual(User.hex(identity.x25519Pk), User.hex(recipient.x25519Pub))
    const cut = yield* held(node.dns, recipient.prekeys, "udp")
    assert.deepInclude(cut, { rcode: "NOERROR", truncated: true, values: [] })
    const offered = yield* held(node.dns, recipient.prekeys, "tcp")
    assert.sameMembers(
      [...offered.values],
      pool.map(({ value }) => value)
    )
    for (const value of offered.values)
      assert.isTrue(Either.isRight(Prekey.verify(value, recipient.spk, Dns.seconds())))

    const mail = Mail.message(sender, recipient, 6)
    yield* Effect.forEach([...mail.chunks, mail.manifest, mail.claim], write.add)

    // The recipient reads its claims, its slot, and every chunk the manifest names.
    for (const transport of Dns.transports) {
      const claims = yield* held(node.dns, recipient.claim(2), transport)
      const claim = accepted(Claim.verify(claims.values[0] ?? "", Dns.seconds()))
      assert.deepInclude(claim, { senderDomain: zone, slot: 2 })
      const slots = yield* Dns.resolve(node.dns, recipient.slot(2))
      const manifest = accepted(SlotManifest.verify(slots[0] ?? "", Dns.seconds()))
      assert.strictEqual(User.hex(manifest.msgId), User.hex(claim.msgId))
      assert.strictEqual(User.hex(manifest.senderSpk), User.hex(sender.spk))
      for (const [at, { owner }] of mail.chunks.entries()) {
        const { values } = yield* held(node.dns, owner.toUpperCase(), transport)
        assert.isTrue(Either.isRight(Chunk.verify(values[0] ?? "")), owner)
        const coded = Buffer.from((values[0] ?? "").slice(prefixes.chunk.length), "base64")
        assert.strictEqual(
          User.hex(Ed25519.sha256(coded)),
          User.hex(manifest.chunkHashes[at] ?? new Uint8Array())
        )
      }
      const other = yield* held(node.dns, recipient.slot(3), transport)
      assert.strictEqual(other.rcode, "NXDOMAIN")
      assert.isTrue(other.authoritative)
    }

    // The used prekey goes, and it alone.
    const used = pool[7] ?? assert.fail("no prekey")
    yield* take.withdraw(used)
    assert.sameMembers(
      [...(yield* Dns.resolve(node.dns, recipient.prekeys))],
      pool.filter((prekey) => prekey !== used).map(({ value }) => value)
    )
  })

describe("a user's day", () => {
  it.scopedLive("passes by signed UPDATE, and by HTTP with a token", () =>
    Effect.gen(function* () {
      const env = User.community(yield* directory)
      const node = yield* start(env)
      const people = ["alice", "bob", "carol", "dave"].map((name) => User.person(`${name}@${zone}`))
      const [alice, bob, carol, dave] = people as [User.User, User.User, User.User, User.User]

      const token = (user: User.User) =>
        Effect.map(User.register(node, "confirm", user), (answer) => {
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(answer.headers.get("cache-control"), "no-store")
          assert.deepInclude(User.members(answer), {
            subject: user.subject,
            rate_per_sec: 10,
            rate_burst: 50
          })
          assert.match(User.tokenOf(answer), /^dmp_v1_[A-Z2-7]{52}$/)
          return User.tokenOf(answer)
        })
      const key = (user: User.User) =>
        Effect.map(User.register(node, "tsig-confirm", user), (answer) => {
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(answer.headers.get("cache-control"), "no-store")
          const issued = User.members(answer)
          assert.deepInclude(issued, {
            subject: user.subject,
            zone,
            tsig_algorithm: "hmac-sha256"
          })
          assert.include(
            issued["allowed_suffixes"],
            user.slot(0).slice("slot-0.".length),
            "the proven mailbox is the holder's"
          )
          return User.keyOf(answer)
        })

      // The token comes first and the key second, by the same Ed25519 key.
      yield* token(alice)
      const keys = [yield* key(alice), yield* key(bob)] as const
      yield* day(node, [alice, byUpdate(node, keys[0])], [bob, byUpdate(node, keys[1])])

      const tokens = [yield* token(carol), yield* token(dave)] as const
      yield* day(node, [carol, byHttp(node, tokens[0])], [dave, byHttp(node, tokens[1])])

      // Signed updates leave the trail that token writes leave: what went to names that
      // everybody shares names nobody.
      yield* Effect.sleep("1500 millis")
      const tail = yield* admin(env, "audit", "tail", "--limit", "1000", "--json")
      const rows = auditRows(tail.output)
      const used = (detail: string) => rows.filter((row) => row.detail === detail)
      const holders = (detail: string) => new Set(used(detail).map((row) => row.subject))
      assert.strictEqual(used("update owner-exclusive").length, 2 + 25 + 1)
      assert.strictEqual(used("owner-exclusive").length, 2 + 25 + 1)
      assert.sameMembers([...holders("update owner-exclusive")], [alice.subject, bob.subject])
      assert.sameMembers([...holders("owner-exclusive")], [carol.subject, dave.subject])
      for (const detail of ["update shared-pool", "shared-pool"]) {
        assert.strictEqual(used(detail).length, 6 + 1 + 1, detail)
        for (const row of used(detail))
          assert.deepInclude(row, { event: "used", subject: null, token_hash: null })
      }
    })
  )
})
