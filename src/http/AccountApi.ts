/** What users ask about themselves, described. */
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { auditEvents } from "../auth/AuditRow.ts"
import { problems } from "./Refusal.ts"

const seconds = (what: string) => Schema.Int.annotations({ description: `${what}, Unix seconds.` })
const orNever = (what: string) =>
  Schema.NullOr(Schema.Int).annotations({ description: `${what}, Unix seconds; null is never.` })

export const AccountFacts = Schema.Struct({
  subject: Schema.String,
  ed25519_spk: Schema.NullOr(Schema.String).annotations({
    description:
      "The key that holds the subject, in hex; null while only the operator spoke for it."
  }),
  held_since: Schema.NullOr(Schema.Int).annotations({
    description: "When this key took the subject, Unix seconds; null if nobody is on record."
  }),
  reserved_until: orNever("When others may take the subject"),
  token: Schema.Struct({
    issued_at: seconds("When the token was issued"),
    expires_at: orNever("When it ends"),
    rate_per_sec: Schema.Number.annotations({
      description: "Writes per second; 0 has no limit."
    }),
    rate_burst: Schema.Number.annotations({ description: "Writes at once; 0 has no limit." })
  }),
  names: Schema.Array(Schema.String).annotations({
    description: "Names that are this user's alone. Slots, chunks and claims are everybody's."
  })
}).annotations({ identifier: "Account" })

export const OwnRecord = Schema.Struct({
  name: Schema.String,
  value: Schema.String,
  expires_at: seconds("When it ends"),
  seconds_left: Schema.Int
}).annotations({ identifier: "OwnRecord" })

export const OwnRecords = Schema.Struct({
  records: Schema.Array(OwnRecord)
}).annotations({ identifier: "OwnRecords" })

export const OwnAuditEntry = Schema.Struct({
  ts: seconds("When"),
  event: Schema.String.annotations({ description: auditEvents.join(", ") }),
  token: Schema.NullOr(Schema.String).annotations({
    description: "The first 12 hex digits of the SHA-256 of the token."
  }),
  network: Schema.NullOr(Schema.String).annotations({
    description: "From where, cut as the node keeps it."
  }),
  detail: Schema.NullOr(Schema.String)
}).annotations({ identifier: "OwnAuditEntry" })

export const OwnAudit = Schema.Struct({
  entries: Schema.Array(OwnAuditEntry).annotations({ description: "Newest first." })
}).annotations({ identifier: "OwnAudit" })

export const maxNames = 64
export const maxEntries = 500
export const defaultEntries = 100

const facts = HttpApiEndpoint.get("account", "/v1/account")
  .addSuccess(AccountFacts)
  .addError(problems(503))
  .annotate(OpenApi.Summary, "Who this token's holder is, and what the token may do")

const records = HttpApiEndpoint.get("ownRecords", "/v1/account/records")
  .setUrlParams(
    Schema.Struct({
      name: Schema.optional(Schema.String).annotations({
        description: `Only this name of one's own; may be given up to ${maxNames} times.`
      })
    })
  )
  .addSuccess(OwnRecords)
  .addError(problems(400))
  .annotate(OpenApi.Summary, "Read the live records of one's own names")
  .annotate(
    OpenApi.Description,
    "Without `name`, those of every name that the account lists. A record is withdrawn with `DELETE /v1/records/{name}`."
  )

const audit = HttpApiEndpoint.get("ownAudit", "/v1/account/audit")
  .setUrlParams(
    Schema.Struct({
      event: Schema.optional(Schema.String).annotations({ description: auditEvents.join(", ") }),
      since: Schema.optional(Schema.String).annotations({ description: "Unix seconds." }),
      until: Schema.optional(Schema.String).annotations({ description: "Unix seconds." }),
      limit: Schema.optional(Schema.String).annotations({
        description: `1 to ${maxEntries}; ${defaultEntries} if absent.`
      })
    })
  )
  .addSuccess(OwnAudit)
  .addError(problems(400, 503))
  .annotate(OpenApi.Summary, "Read what the audit trail says about oneself")
  .annotate(
    OpenApi.Description,
    "Credentials that came and went, and writes to one's own names; lines are there about a second later. Writes to shared names are joined to nobody, so they are not among them."
  )

export class AccountApi extends HttpApiGroup.make("account")
  .add(facts)
  .add(records)
  .add(audit)
  .addError(problems(401, 403, 404, 429))
  .annotate(
    OpenApi.Description,
    "What a node keeps about a user, for that user; takes the user's token. Absent where there are no users."
  ) {}
