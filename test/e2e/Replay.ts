/**
 * Says again what was once recorded between clients and another node. What time has passed
 * over is made anew with the same content: challenges and the signatures over them, TSIG
 * records, and claims, whose end is part of what is signed. The keys for these are made here,
 * since the recording holds nobody's private ones. Everything else goes out octet by octet.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { Effect, Either, Schema } from "effect"
import * as Claim from "../../src/dmp/Claim.ts"
import { type as rrType } from "../../src/wire/Codes.ts"
import { type Message, parse, rdata, type ResourceRecord } from "../../src/wire/Message.ts"
import type { Key } from "../../src/wire/Tsig.ts"
import { decodeTxt, encodeTxt } from "../../src/wire/TxtData.ts"
import { accepted } from "../dmp/samples.ts"
import * as M from "../wire/messages.ts"
import * as Dns from "./DnsClient.ts"
import { type Answer, type NodeProcess, request } from "./NodeProcess.ts"
import * as User from "./User.ts"

const DnsRow = Schema.Struct({
  step: Schema.String,
  via: Schema.Literal("udp", "tcp"),
  /** Base64. */
  ask: Schema.String,
  rcode: Schema.String,
  flags: Schema.Array(Schema.String),
  /** Digests of the answer's texts, sorted. */
  texts: Schema.Array(Schema.String),
  signedBy: Schema.optional(Schema.String)
})
const HttpRow = Schema.Struct({
  step: Schema.String,
  method: Schema.String,
  target: Schema.String,
  authorization: Schema.optional(Schema.String),
  body: Schema.optional(Schema.String),
  status: Schema.Number,
  answer: Schema.optional(Schema.String)
})
export type DnsRow = typeof DnsRow.Type
export type HttpRow = typeof HttpRow.Type
export type Row = DnsRow | HttpRow

export const load = (name: string): ReadonlyArray<Row> =>
  Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(Schema.Union(DnsRow, HttpRow))))(
    readFileSync(new URL(`../fixtures/capture-${name}.json`, import.meta.url), "utf8")
  )

export interface Said {
  readonly row: Row
  /** What came then, in the words of `ours`. */
  readonly recorded: string
  /** Status, or rcode and flags. */
  readonly ours: string
  /** Empty when the rest of the answer says what it said then. */
  readonly difference: string
}

const digest = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 12)

/** One recording against one node. */
export const replay = (node: NodeProcess, rows: ReadonlyArray<Row>) => {
  /** What stands for what was recorded. */
  const people = new Map<string, User.User>()
  const seeds = new Map<string, User.User>()
  const keys = new Map<string, Key>()
  const texts = new Map<string, string>()
  let secrets: ReadonlyArray<readonly [recorded: string, ours: string]> = []
  let issued: User.Fields = {}

  const known = (recorded: string): string =>
    secrets.reduce((text, [was, is]) => text.replaceAll(was, is), recorded)

  const body = (row: HttpRow): string | undefined => {
    if (row.body === undefined || !row.target.includes("confirm")) return row.body
    if (row.status !== 200 && row.status !== 409) return known(row.body)
    // Signed: by a new person for every Ed25519 key of the recording.
    const fields = User.members({ body: row.body })
    const spk = String(fields["ed25519_spk"])
    const subject = String(fields["subject"])
    const person = people.get(spk) ?? User.person(subject)
    people.set(spk, person)
    const signed = Object.entries(User.confirmation(person, issued, subject))
    return JSON.stringify(Object.fromEntries(signed.filter(([field]) => field in fields)))
  }

  /** Keeps what later rows have to say in place of what was recorded. */
  const learn = (row: HttpRow, answer: Answer): void => {
    if (!row.target.startsWith("/v1/registration/") || answer.status !== 200) return
    const [was, is] = [User.members({ body: row.answer ?? "{}" }), User.members(answer)]
    if (row.method === "GET") issued = is
    for (const field of ["challenge", "token"])
      if (typeof was[field] === "string")
        secrets = [...secrets, [was[field], String(is[field])] as const]
    if ("tsig_key_name" in was) keys.set(String(was["tsig_key_name"]), User.keyOf(answer))
  }

  const http = Effect.fnUntraced(function* (row: HttpRow) {
    const sent = body(row)
    const answer = yield* request(node, row.target, {
      method: row.method,
      headers: {
        "content-type": "application/json",
        ...(row.authorization === undefined ? {} : { authorization: known(row.authorization) })
      },
      ...(sent === undefined ? {} : { body: sent })
    })
    learn(row, answer)
    return {
      row,
      recorded: String(row.status),
      ours: String(answer.status),
      difference: compare(row, answer)
    }
  })

  const claimAnew = (text: string): string =>
    Either.match(Claim.parse(text), {
      onLeft: () => text,
      onRight: (claim) => {
        const spk = User.hex(claim.senderSpk)
        const sender = seeds.get(spk) ?? User.person("sender@mesh.test")
        seeds.set(spk, sender)
        const ts = Dns.seconds()
        const fresh = { ...claim, senderSpk: sender.spk, ts, exp: claim.exp - claim.ts + ts }
        const made = texts.get(digest(text)) ?? accepted(Claim.sign(fresh, sender.seed))
        texts.set(digest(text), made)
        return made
      }
    })

  const again = (message: Message, record: ResourceRecord): Buffer => {
    const octets = rdata(message, record)
    const isText = record.type === rrType.TXT && octets.length > 0
    return M.rr({
      owner: record.name,
      type: record.type,
      class: record.class,
      ttl: record.ttl,
      rdata: isText ? encodeTxt(claimAnew(Either.getOrThrow(decodeTxt(octets)))) : octets
    })
  }

  const dns = Effect.fnUntraced(function* (row: DnsRow) {
    const recorded = Buffer.from(row.ask, "base64")
    const message = Either.getOrThrow(parse(recorded))
    const isUpdate = message.authorities.length > 0
    const key = row.signedBy === undefined ? undefined : keyFor(row, row.signedBy)
    const reply = isUpdate
      ? yield* Dns.send(
          node.dns,
          M.update(message.questions[0]?.name ?? "", {
            authorities: message.authorities.map((record) => again(message, record))
          }),
          {
            transport: row.via,
            ...(key === undefined ? {} : { key }),
            ...(row.step.includes("stale time") ? { at: Dns.seconds() - 4000 } : {})
          }
        )
      : Dns.read(yield* Dns.exchange(node.dns, recorded, row.via))
    const expected = row.texts.map((text) => {
      const made = texts.get(text)
      return made === undefined ? text : digest(made)
    })
    // What does not fit must be had over TCP, whole.
    const whole =
      reply.truncated && !row.flags.includes("TC")
        ? Dns.read(yield* Dns.exchange(node.dns, recorded, "tcp"))
        : reply
    const got = Dns.texts(whole).map(digest)
    return {
      row,
      recorded: [row.rcode, ...row.flags].join(" "),
      ours: [
        reply.rcode,
        ...(reply.authoritative ? ["AA"] : []),
        ...(reply.truncated ? ["TC"] : [])
      ].join(" "),
      difference: [
        ...(expected.sort().join() === got.sort().join()
          ? []
          : [`${got.length} texts for ${expected.length}`]),
        ...(key === undefined || reply.signature === "Verified" || reply.tsigError !== 0
          ? []
          : [`signature: ${reply.signature}`])
      ].join("; ")
    }
  })

  const keyFor = (row: DnsRow, name: string): Key => {
    const key = keys.get(name) ?? {
      name: name.replace(/\.$/, ""),
      algorithm: "hmac-sha256" as const,
      secret: Buffer.alloc(32, 1)
    }
    return row.step.includes("wrong secret") ? { ...key, secret: Buffer.alloc(32, 2) } : key
  }

  return Effect.forEach(rows, (row): Effect.Effect<Said, unknown> =>
    "via" in row ? dns(row) : http(row)
  )
}

/** What was recorded of a JSON body, in so far as a node of another day can say it again. */
const compare = (row: HttpRow, answer: Answer): string => {
  if (row.answer === undefined) return ""
  const [was, is] = [User.members({ body: row.answer }), User.members(answer)]
  const made = row.target.startsWith("/v1/registration/") && row.status === 200
  const wrong = Object.keys(was).filter((member) =>
    made
      ? typeof is[member] !== typeof was[member]
      : JSON.stringify(is[member]) !== JSON.stringify(was[member])
  )
  return wrong.map((member) => `${member}: ${JSON.stringify(is[member])}`).join("; ")
}
