/**
 * What a registrant must show before anything that depends on others is looked at: form,
 * challenge, signature, then the operator's own list, and the key of a mailbox it wants.
 */
import { Data, Effect, type Either, Option } from "effect"
import * as Ed25519 from "../dmp/Ed25519.ts"
import type { Challenges } from "./Challenges.ts"
import * as Request from "./RegistrationRequest.ts"
import * as Subject from "./Subject.ts"
import * as X25519 from "./X25519.ts"

export type RefusalReason =
  | "malformed"
  | "challenge-unknown"
  | "bad-signature"
  | "not-allowed"
  | "banned"
  | "bad-proof"
  | "taken"

/** `message` is shown to the client. */
export class RegistrationRefused extends Data.TaggedError("RegistrationRefused")<{
  readonly reason: RefusalReason
  readonly message: string
}> {}

/** What the node goes by. */
export interface Verifier {
  readonly challenges: Challenges["Type"]
  /** Its name, which is signed over. */
  readonly node: string
  /** Domains whose users may register; empty lets every domain. */
  readonly allowlist: ReadonlyArray<string>
}

export const refuse = (reason: RefusalReason, message: string) =>
  Effect.fail(new RegistrationRefused({ reason, message }))

const malformed = <A>(read: Either.Either<A, string>) =>
  Effect.mapError(read, (message) => new RegistrationRefused({ reason: "malformed", message }))

/** The steps both routes share; the challenge is used up whatever follows it. */
export const proven = (
  { allowlist, challenges, node }: Verifier,
  fields: Request.Fields
): Effect.Effect<Request.RegistrationRequest, RegistrationRefused> =>
  Effect.gen(function* () {
    const request = yield* malformed(Request.parse(fields))
    if (!(yield* challenges.consume(request.challengeText)))
      return yield* refuse("challenge-unknown", "challenge expired or unknown")
    const signed = Request.signedOctets(request.challenge, request.subject, node)
    if (!Ed25519.verify(request.spk, signed, request.signature))
      return yield* refuse("bad-signature", "signature verification failed")
    const domain = Subject.domain(request.subject)
    if (allowlist.length > 0 && !allowlist.includes(domain))
      return yield* refuse("not-allowed", "subject not in registration allowlist")
    return request
  })

/** The proven X25519 key in hex; none where none was claimed, or without a proof. */
export const possession = (
  { challenges }: Verifier,
  fields: Request.Fields,
  request: Request.RegistrationRequest
): Effect.Effect<string | undefined, RegistrationRefused> =>
  Effect.gen(function* () {
    const claimed = yield* malformed(Request.parsePossession(fields))
    if (claimed?.proof === undefined) return undefined
    const { proof, pub } = claimed
    const holds = Option.match(challenges.agree(request.challenge, pub), {
      onNone: () => false,
      onSome: (secret) =>
        X25519.proves(proof, X25519.proof(secret, request.challenge, request.subject, pub))
    })
    return holds
      ? Buffer.from(pub).toString("hex")
      : yield* refuse(
          "bad-proof",
          "x25519_pop verification failed: registrant did not prove possession of the claimed X25519 key"
        )
  })
