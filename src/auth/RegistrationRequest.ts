/** What a registrant sends, checked for form alone: same fields and messages as every client knows. */
import { Either } from "effect"
import * as Subject from "./Subject.ts"

export interface RegistrationRequest {
  readonly subject: Subject.Subject
  /** 32 octets. */
  readonly spk: Uint8Array
  /** 32 octets. */
  readonly challenge: Uint8Array
  /** As sent: only its exact spelling is one of ours. */
  readonly challengeText: string
  /** 64 octets. */
  readonly signature: Uint8Array
}

/** The X25519 key a registrant claims (32 octets), and its proof where one was sent. */
export interface PossessionClaim {
  readonly pub: Uint8Array
  readonly proof: Uint8Array | undefined
}

/** An untrusted JSON object. */
export type Fields = Readonly<Record<string, unknown>>

const required = ["subject", "ed25519_spk", "challenge", "signature"] as const

const given = (value: unknown): value is string => typeof value === "string" && value !== ""

const octets = (field: string, text: string, length: number): Either.Either<Uint8Array, string> => {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text))
    return Either.left(`${field}: not valid hex`)
  return text.length === 2 * length
    ? Either.right(Buffer.from(text, "hex"))
    : Either.left(`${field}: expected ${length} bytes, got ${text.length / 2}`)
}

/** The request, or what to tell the client. */
export const parse = (fields: Fields): Either.Either<RegistrationRequest, string> =>
  Either.gen(function* () {
    const text: Record<(typeof required)[number], string> = {
      subject: "",
      ed25519_spk: "",
      challenge: "",
      signature: ""
    }
    for (const field of required) {
      const value = fields[field]
      if (!given(value)) return yield* Either.left(`missing or non-string field: ${field}`)
      text[field] = value
    }
    const subject = yield* Either.mapLeft(
      Subject.parse(text.subject),
      ({ message }) => `subject invalid: ${message}`
    )
    const spk = yield* octets("ed25519_spk", text.ed25519_spk, 32)
    const signature = yield* octets("signature", text.signature, 64)
    const challenge = yield* octets("challenge", text.challenge, 32)
    return { subject, spk, challenge, challengeText: text.challenge, signature }
  })

/** The claimed X25519 key, none when there is none, or what to tell the client. */
export const parsePossession = (
  fields: Fields
): Either.Either<PossessionClaim | undefined, string> =>
  Either.gen(function* () {
    if (!given(fields["x25519_pub"])) return undefined
    const pub = yield* octets("x25519_pub", fields["x25519_pub"], 32)
    // Clients before 0.7 send no proof.
    if (!given(fields["x25519_pop"])) return { pub, proof: undefined }
    return { pub, proof: yield* octets("x25519_pop", fields["x25519_pop"], 32) }
  })

/** The octets a registrant signs: no lengths and no tag, as every client has it. */
export const signedOctets = (
  challenge: Uint8Array,
  subject: Subject.Subject,
  node: string
): Uint8Array =>
  Buffer.concat([challenge, Buffer.from(subject), Buffer.from(node), Uint8Array.of(1)])
