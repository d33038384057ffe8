/** The registration endpoints, described. Forms and messages are those every client knows. */
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { problems } from "./Refusal.ts"

const hex = (octets: number, description: string) =>
  Schema.String.annotations({ description: `${description}; ${octets} octets in hex.` })

export const Challenge = Schema.Struct({
  challenge: hex(32, "Sign this within a minute, once"),
  node: Schema.String.annotations({ description: "The node's name, which is signed too." }),
  expires_at: Schema.Int.annotations({ description: "Unix seconds." }),
  server_x25519_pub: hex(32, "The node's key for the proof of possession"),
  version: Schema.Literal(1)
}).annotations({ identifier: "Challenge" })

const confirm = {
  subject: Schema.String.annotations({
    description: "local@domain in lower case, as it was signed."
  }),
  ed25519_spk: hex(32, "The signing key"),
  challenge: hex(32, "As given"),
  signature: hex(64, "Over challenge, subject, node and the octet 1")
}

export const Confirm = Schema.Struct(confirm).annotations({ identifier: "Confirm" })

export const TsigConfirm = Schema.Struct({
  ...confirm,
  x25519_pub: Schema.optional(hex(32, "The key whose mailbox the TSIG key shall own")),
  x25519_pop: Schema.optional(hex(32, "HMAC-SHA-256 that proves it"))
}).annotations({ identifier: "TsigConfirm" })

export const IssuedToken = Schema.Struct({
  token: Schema.String,
  subject: Schema.String,
  expires_at: Schema.NullOr(Schema.Int),
  rate_per_sec: Schema.Number,
  rate_burst: Schema.Number
}).annotations({ identifier: "IssuedToken" })

export const IssuedTsigKey = Schema.Struct({
  tsig_key_name: Schema.String,
  tsig_secret_hex: Schema.String,
  tsig_algorithm: Schema.String,
  allowed_suffixes: Schema.Array(Schema.String),
  subject: Schema.String,
  zone: Schema.String.annotations({ description: "The zone of its UPDATE messages." }),
  expires_at: Schema.Int.annotations({ description: "Unix seconds; 0 never ends." })
}).annotations({ identifier: "IssuedTsigKey" })

const challenge = HttpApiEndpoint.get("challenge", "/v1/registration/challenge")
  .addSuccess(Challenge)
  .annotate(OpenApi.Summary, "Ask for a challenge to register with")

const token = HttpApiEndpoint.post("confirm", "/v1/registration/confirm")
  .setPayload(Confirm)
  .addSuccess(IssuedToken)
  .addError(problems(400, 401, 403, 409, 503))
  .annotate(OpenApi.Summary, "Register for a publish token")

const tsigKey = HttpApiEndpoint.post("tsigConfirm", "/v1/registration/tsig-confirm")
  .setPayload(TsigConfirm)
  .addSuccess(IssuedTsigKey)
  .addError(problems(400, 401, 403, 409, 503))
  .annotate(OpenApi.Summary, "Register for a TSIG key")

export const RegistrationApi = HttpApiGroup.make("registration")
  .add(challenge)
  .add(token)
  .add(tsigKey)
  .addError(problems(404, 429))
  .annotate(
    OpenApi.Description,
    "Credentials of one's own, for a proven Ed25519 key. Absent where registration is off."
  )
