/** What a written value must be, by `DMP_RECORD_VALIDATION`, over both doors of the built node. */
import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as OwnerName from "../../src/dmp/OwnerName.ts"
import * as Revocation from "../../src/dmp/Revocation.ts"
import * as SlotManifest from "../../src/dmp/SlotManifest.ts"
import { type as rrType } from "../../src/wire/Codes.ts"
import { accepted } from "../dmp/samples.ts"
import * as M from "../wire/messages.ts"
import { begin } from "./Community.ts"
import * as Dns from "./DnsClient.ts"
import * as Mail from "./Mail.ts"
import { type NodeProcess, publish } from "./NodeProcess.ts"
import * as User from "./User.ts"

const { zone } = User

/** The status, with `error` where there is one. */
const write = (node: NodeProcess, { owner, ttl, value }: Mail.Published, token: string) =>
  Effect.map(publish(node, owner, value, ttl, token), (answer) =>
    answer.status < 400 ? "201" : `${answer.status} ${String(User.errorOf(answer))}`
  )

const manifestOf = (from: User.User, to: User.User, chunks: number): Mail.Published => {
  const ts = Dns.seconds()
  return {
    owner: to.slot(4),
    ttl: 300,
    value: accepted(
      SlotManifest.sign(
        {
          msgId: new Uint8Array(randomBytes(16)),
          senderSpk: from.spk,
          recipientId: to.recipientId,
          totalChunks: chunks,
          dataChunks: chunks,
          prekeyId: 0,
          ts,
          exp: ts + 300,
          chunkHashes: Array.from({ length: chunks }, () => new Uint8Array(randomBytes(32)))
        },
        from.seed
      )
    )
  }
}

describe("DMP_RECORD_VALIDATION", () => {
  it.scopedLive("known-types: refuses what only says it is a record, and lets newer ones in", () =>
    Effect.gen(function* () {
      const { key, node, user } = yield* begin({ DMP_MAX_TTL: "86400" })
      const token = User.tokenOf(yield* User.register(node, "confirm", user))
      const other = User.person(`other@${zone}`)
      const own = (value: string): Mail.Published => ({ owner: user.identity, ttl: 300, value })
      const forged = Mail.identity(user).value.replace(/.{12}(.{8})$/, "AAAAAAAAAAAA$1")
      const rows: ReadonlyArray<readonly [Mail.Published, RegExp]> = [
        [own("v=dmp1;t=identity;d=AAAA"), /^400 structure$/],
        [own("v=dmp1;t=identity;d=?"), /^400 base64$/],
        [own(forged), /^400 signature$/],
        [own(Mail.identity(other).value), /^400 owner-mismatch$/],
        [own(Mail.claim(user)), /^400 owner-mismatch$/],
        [own("v=dmp1;t=hologram;d=AAAA"), /^201$/],
        [own("v=dmp2;t=identity;d=AAAA"), /^201$/],
        [own("anything"), /^201$/]
      ]
      for (const [record, expected] of rows) {
        assert.match(yield* write(node, record, token), expected, record.value)
        const update = M.update(zone, { authorities: [M.add(record.owner, record.value, 300)] })
        const { rcode } = yield* Dns.send(node.dns, update, { key })
        assert.strictEqual(rcode, expected.test("201") ? "NOERROR" : "REFUSED", record.value)
      }
    })
  )

  it.scopedLive("known-types: a newer identity of the same keys takes the place of the older", () =>
    Effect.gen(function* () {
      const { key, node, user } = yield* begin()
      const token = User.tokenOf(yield* User.register(node, "confirm", user))
      const now = Dns.seconds()
      const [first, second, third] = [now - 20, now - 10, now].map((ts) => Mail.identity(user, ts))
      if (first === undefined || second === undefined || third === undefined)
        return assert.fail("three identities")
      assert.strictEqual(yield* write(node, first, token), "201")
      assert.strictEqual(yield* write(node, second, token), "201")
      assert.deepStrictEqual(yield* Dns.resolve(node.dns, user.identity), [second.value])
      const update = M.update(zone, { authorities: [M.add(third.owner, third.value, third.ttl)] })
      assert.strictEqual((yield* Dns.send(node.dns, update, { key })).rcode, "NOERROR")
      assert.deepStrictEqual(yield* Dns.resolve(node.dns, user.identity), [third.value])
      // Another key's stays beside it: which one is right is for readers to say.
      const thief = { ...User.person(user.subject), identity: user.identity }
      const theirs = Mail.identity(thief)
      assert.strictEqual(yield* write(node, theirs, User.operatorToken), "201")
      assert.sameMembers(
        [...(yield* Dns.resolve(node.dns, user.identity))],
        [third.value, theirs.value]
      )
    })
  )

  it.scopedLive(
    "known-types: the longest manifest and the longest revocation have their room",
    () =>
      Effect.gen(function* () {
        const { node, user } = yield* begin({ DMP_MAX_TTL: "600" })
        const sender = User.person(`sender@${zone}`)
        const token = User.tokenOf(yield* User.register(node, "confirm", sender))
        const manifest = manifestOf(sender, user, 1024)
        assert.lengthOf(manifest.value, 43_940)
        assert.strictEqual(yield* write(node, manifest, token), "201")
        const cut = yield* Dns.send(node.dns, Dns.query(manifest.owner))
        assert.deepInclude(cut, { rcode: "NOERROR", truncated: true })
        const whole = yield* Dns.send(node.dns, Dns.query(manifest.owner), { transport: "tcp" })
        assert.deepStrictEqual(Dns.texts(whole), [manifest.value])
        // Every RRset stays one that TCP can carry.
        assert.match(yield* write(node, manifestOf(sender, user, 600), token), /^413 /)
        assert.deepStrictEqual(yield* Dns.resolve(node.dns, manifest.owner), [manifest.value])
        const long = { owner: `plain.${zone}`, ttl: 60, value: "v".repeat(2049) }
        const refused = yield* write(node, long, User.operatorToken)
        assert.strictEqual(refused, "400 value exceeds cap of 2048 bytes")

        const year = 365 * 86_400
        const revocation: Mail.Published = {
          owner: `rotate.${sender.identity}`,
          ttl: year,
          value: accepted(
            Revocation.sign(
              {
                subject: { kind: "user", name: sender.subject },
                revokedSpk: sender.spk,
                reason: "lost",
                ts: Dns.seconds()
              },
              sender.seed
            )
          )
        }
        assert.strictEqual(yield* write(node, revocation, token), "201")
        const late = { ...Mail.identity(sender), ttl: 601 }
        assert.strictEqual(yield* write(node, late, token), "400 ttl exceeds cap of 600s")
        const { message } = yield* Dns.send(node.dns, Dns.query(revocation.owner))
        const answer = message?.answers.find((record) => record.type === rrType.TXT)
        assert.isDefined(answer)
      })
  )

  it.scopedLive("off takes anything, and strict nothing but records where records stand", () =>
    Effect.gen(function* () {
      const garbage = { owner: `id-${OwnerName.hex16(Buffer.from("x"))}.${zone}`, ttl: 60 }
      const off = yield* begin({ DMP_RECORD_VALIDATION: "off" })
      const strict = yield* begin({ DMP_RECORD_VALIDATION: "strict" })
      const by = User.operatorToken
      const fake = { ...garbage, value: "v=dmp1;t=identity;d=AAAA" }
      const text = { ...garbage, value: "v=hello" }
      const free = { owner: `free.${zone}`, ttl: 60, value: "v=hello" }
      for (const record of [fake, text, free])
        assert.strictEqual(yield* write(off.node, record, by), "201")
      assert.strictEqual(yield* write(strict.node, fake, by), "400 structure")
      assert.strictEqual(yield* write(strict.node, text, by), "400 not-a-mesh-record")
      assert.strictEqual(yield* write(strict.node, free, by), "201")
      assert.strictEqual(yield* write(strict.node, Mail.identity(strict.user), by), "201")
    })
  )
})
