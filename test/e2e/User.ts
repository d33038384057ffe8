/** People with keys of their own, and what their programs say to a node's registration. */
import { randomBytes } from "node:crypto"
import { Effect, Either, Option, Schema } from "effect"
import * as Request from "../../src/auth/RegistrationRequest.ts"
import * as Subject from "../../src/auth/Subject.ts"
import * as X25519 from "../../src/auth/X25519.ts"
import * as Ed25519 from "../../src/dmp/Ed25519.ts"
import * as OwnerName from "../../src/dmp/OwnerName.ts"
import { type Key, makeKey } from "../../src/wire/Tsig.ts"
import { userSeed } from "../dmp/samples.ts"
import { type Answer, type NodeProcess, request } from "./NodeProcess.ts"

export const zone = "mesh.test"
export const operatorToken = "operator-token-of-this-test"

/** A node that strangers register at. */
export const community = (dir: string) => ({
  DMP_DB_PATH: `${dir}/dmp.db`,
  DMP_DOMAIN: "",
  DMP_SERVED_ZONE: zone,
  DMP_NODE_HOSTNAME: `node.${zone}`,
  DMP_AUTH_MODE: "multi-tenant",
  DMP_OPERATOR_TOKEN: operatorToken,
  DMP_REGISTRATION_ENABLED: "1",
  DMP_REGISTRATION_ENDPOINT_RATE_PER_SEC: "0",
  DMP_DNS_UPDATE_ENABLED: "1",
  DMP_DNS_RATE: "0",
  DMP_HTTP_RATE: "0"
})

export interface User {
  readonly subject: string
  readonly local: string
  readonly seed: Uint8Array
  readonly spk: Uint8Array
  readonly x25519: Uint8Array
  readonly x25519Pub: Uint8Array
  /** SHA-256 of the X25519 key. */
  readonly recipientId: Uint8Array
  /** Owner names in `zone`. */
  readonly identity: string
  readonly prekeys: string
  readonly slot: (slot: number) => string
  readonly claim: (slot: number) => string
}

/** Somebody new; the same name again is somebody else. */
export const person = (subject: string): User => {
  const x25519 = new Uint8Array(randomBytes(32))
  const seed = userSeed(x25519)
  const x25519Pub = X25519.publicKey(x25519)
  const local = subject.split("@")[0] ?? ""
  const mailbox = `mb-${OwnerName.mailboxOf(x25519Pub)}.${zone}`
  return {
    subject,
    local,
    seed,
    spk: Ed25519.publicKey(seed),
    x25519,
    x25519Pub,
    recipientId: Ed25519.sha256(x25519Pub),
    identity: `id-${OwnerName.hex16(Buffer.from(local))}.${zone}`,
    prekeys: `prekeys.id-${OwnerName.hex12(Buffer.from(local))}.${zone}`,
    slot: (slot) => `slot-${slot}.${mailbox}`,
    claim: (slot) => `claim-${slot}.${mailbox}`
  }
}

export const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex")

type Node = Pick<NodeProcess, "http">
export type Fields = Readonly<Record<string, unknown>>
type Confirm = "confirm" | "tsig-confirm"

const object = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
)

/** The members of a JSON body. */
export const members = ({ body }: Pick<Answer, "body">): Fields => object(body)
/** The text clients print. */
export const errorOf = (answer: Answer): unknown => members(answer)["error"]

export const post = (node: Node, step: Confirm, fields: unknown) =>
  request(node, `/v1/registration/${step}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof fields === "string" ? fields : JSON.stringify(fields)
  })

export const challenge = (node: Node) =>
  Effect.map(request(node, "/v1/registration/challenge"), members)

/** The body of a confirmation of `issued` by `user`, with the proof of its mailbox key. */
export const confirmation = (user: User, issued: Fields, subject = user.subject) => {
  const octets = Buffer.from(String(issued["challenge"]), "hex")
  const named = Subject.unsafeMake(subject)
  const signed = Request.signedOctets(octets, named, String(issued["node"]))
  const secret = Option.getOrThrow(
    X25519.sharedSecret(user.x25519, Buffer.from(String(issued["server_x25519_pub"]), "hex"))
  )
  return {
    subject,
    ed25519_spk: hex(user.spk),
    challenge: String(issued["challenge"]),
    signature: hex(Ed25519.sign(user.seed, signed)),
    x25519_pub: hex(user.x25519Pub),
    x25519_pop: hex(X25519.proof(secret, octets, named, user.x25519Pub))
  }
}

/** A whole registration by one of the routes. */
export const register = (node: Node, step: Confirm, user: User) =>
  Effect.flatMap(challenge(node), (issued) => post(node, step, confirmation(user, issued)))

/** The publish token a registration yields. */
export const tokenOf = (answer: Answer): string => String(members(answer)["token"])

/** The TSIG key a registration yields. */
export const keyOf = (answer: Answer): Key => {
  const issued = members(answer)
  return Either.getOrThrow(
    makeKey(
      String(issued["tsig_key_name"]),
      String(issued["tsig_algorithm"]),
      Buffer.from(String(issued["tsig_secret_hex"]), "hex")
    )
  )
}
