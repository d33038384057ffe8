/** The bodies of the credential endpoints: what requests are decoded with and answers described by. */
import { Schema } from "effect"
import { defaultRates } from "../auth/Credentials.ts"

const orNever = (what: string) =>
  Schema.NullOr(Schema.Int).annotations({ description: `${what}, Unix seconds; null is never.` })

const token = {
  token_hash: Schema.String.annotations({ description: "Names the token in these requests." }),
  subject: Schema.String,
  subject_type: Schema.Int.annotations({ description: "1 is a user." }),
  subject_hash12: Schema.NullOr(Schema.String).annotations({
    description: "The label of the prekeys that it may write."
  }),
  rate_per_sec: Schema.Number.annotations({ description: "Writes per second; 0 has no limit." }),
  rate_burst: Schema.Number.annotations({ description: "Writes at once; 0 has no limit." }),
  issued_at: Schema.Int.annotations({ description: "Unix seconds." }),
  expires_at: orNever("When it ends"),
  revoked_at: orNever("When it was revoked"),
  issuer: Schema.String,
  note: Schema.String,
  live: Schema.Boolean
}

const tsigKey = {
  name: Schema.String.annotations({
    description: "Names the key, in these requests with or without the dot at its end."
  }),
  algorithm: Schema.String,
  subject: Schema.String.annotations({ description: "Empty for a key that nobody registered." }),
  registered_spk: Schema.String.annotations({ description: "Ed25519 key in hex, or empty." }),
  registered_x25519_pub: Schema.String.annotations({ description: "X25519 key in hex, or empty." }),
  allowed_suffixes: Schema.Array(Schema.String),
  created_at: Schema.Int.annotations({ description: "Unix seconds." }),
  expires_at: Schema.Int.annotations({ description: "Unix seconds; 0 never ends." }),
  revoked: Schema.Boolean,
  active: Schema.Boolean
}

const total = Schema.Int.annotations({
  description: "How many there are, of which this is a part."
})

export const HeldToken = Schema.Struct(token).annotations({ identifier: "HeldToken" })
export const HeldTokens = Schema.Struct({
  tokens: Schema.Array(HeldToken).annotations({ description: "Newest first." }),
  total
}).annotations({ identifier: "HeldTokens" })
export const NewToken = Schema.Struct({
  token: Schema.String.annotations({ description: "Told this once; the node keeps its hash." }),
  ...token
}).annotations({ identifier: "NewToken" })

export const HeldTsigKey = Schema.Struct(tsigKey).annotations({ identifier: "HeldTsigKey" })
export const HeldTsigKeys = Schema.Struct({
  tsig_keys: Schema.Array(HeldTsigKey).annotations({ description: "By name." }),
  total
}).annotations({ identifier: "HeldTsigKeys" })
export const NewTsigKey = Schema.Struct({
  secret_hex: Schema.String.annotations({ description: "Told this once." }),
  ...tsigKey
}).annotations({ identifier: "NewTsigKey" })

export const Revoked = Schema.Struct({ revoked: Schema.Int }).annotations({ identifier: "Revoked" })

const expires = Schema.optional(
  Schema.Union(Schema.String, Schema.Int).annotations({
    description: "Life, such as `90d`, `12h` or a number of seconds."
  })
)
const rates = (otherwise: (rate: number) => string) => ({
  rate_per_sec: Schema.optional(
    Schema.Number.annotations({
      description: `Writes per second; 0 has no limit. ${otherwise(defaultRates.ratePerSec)}`
    })
  ),
  rate_burst: Schema.optional(
    Schema.Number.annotations({
      description: `Writes at once; 0 has no limit. ${otherwise(defaultRates.rateBurst)}`
    })
  )
})

const subject = Schema.String.annotations({ description: "local@domain." })

export const IssueToken = Schema.Struct({
  subject,
  expires,
  ...rates((rate) => `${rate} if absent.`),
  note: Schema.optional(Schema.String.annotations({ description: "At most 200 characters." })),
  prekey_x25519_pub: Schema.optional(
    Schema.String.annotations({ description: "X25519 key in hex whose `pk-` names it may write." })
  )
}).annotations({ identifier: "IssueToken", description: "Without `expires` it has no end." })

export const Rotate = Schema.Struct({
  expires,
  ...rates(() => "As it was if absent.")
}).annotations({
  identifier: "Rotate",
  description:
    "What is absent is as it was; without `expires` the new token lives as long as the old one was to."
})

export const IssueTsigKey = Schema.Struct({
  subject,
  expires,
  ed25519_spk: Schema.optional(
    Schema.String.annotations({
      description: "The holder's Ed25519 key in hex, unless the subject has one."
    })
  ),
  x25519_pub: Schema.optional(
    Schema.String.annotations({
      description: "The holder's X25519 key in hex, whose mailbox the key shall own."
    })
  )
}).annotations({ identifier: "IssueTsigKey", description: "Without `expires` it has no end." })
