/** What the operator's programs do with the credentials of users, described. */
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import {
  HeldTokens,
  HeldTsigKeys,
  IssueToken,
  IssueTsigKey,
  NewToken,
  NewTsigKey,
  Revoked,
  Rotate
} from "./CredentialsSchemas.ts"
import { problems } from "./Refusal.ts"

/** Rows of one answer. */
export const maxRows = 10_000
export const defaultRows = 1000

const selection = Schema.Struct({
  subject: Schema.optional(Schema.String).annotations({ description: "Those of this one alone." }),
  all: Schema.optional(Schema.Literal("1", "0")).annotations({
    description: "1 for those too that have ended."
  }),
  limit: Schema.optional(Schema.String).annotations({
    description: `1 to ${maxRows}; ${defaultRows} if absent.`
  }),
  offset: Schema.optional(Schema.String).annotations({ description: "So many are left out first." })
})

const byHash = Schema.Struct({ token_hash: Schema.String })
const byName = Schema.Struct({ name: Schema.String })
const bySubject = Schema.Struct({ subject: Schema.String })

const listTokens = HttpApiEndpoint.get("listTokens", "/v1/admin/tokens")
  .setUrlParams(selection)
  .addSuccess(HeldTokens)
  .addError(problems(400))
  .annotate(OpenApi.Summary, "List publish tokens")
  .annotate(OpenApi.Description, "Live ones, newest first; never the tokens themselves.")

const issueToken = HttpApiEndpoint.post("issueToken", "/v1/admin/tokens")
  .setPayload(IssueToken)
  .addSuccess(NewToken, { status: 201 })
  .addError(problems(400, 409))
  .annotate(OpenApi.Summary, "Issue a publish token")
  .annotate(
    OpenApi.Description,
    "One more for the subject, which it reserves. 409 says why the subject may have none."
  )

const revokeToken = HttpApiEndpoint.del("revokeToken", "/v1/admin/tokens/:token_hash")
  .setPath(byHash)
  .addSuccess(HttpApiSchema.NoContent)
  .annotate(OpenApi.Summary, "Revoke a token")
  .annotate(
    OpenApi.Description,
    "It is refused from the answer on. 404 if there is no such live token."
  )

const rotateToken = HttpApiEndpoint.post("rotateToken", "/v1/admin/tokens/:token_hash/rotate")
  .setPath(byHash)
  .setPayload(Rotate)
  .addSuccess(NewToken, { status: 201 })
  .addError(problems(400, 409))
  .annotate(OpenApi.Summary, "Put a new token in the place of one")
  .annotate(
    OpenApi.Description,
    "The new one is made, then the old one is revoked; others of the subject stay. Scope and rates are those of the old one unless told."
  )

const rotateSubject = HttpApiEndpoint.post("rotateSubject", "/v1/admin/subjects/:subject/rotate")
  .setPath(bySubject)
  .setPayload(Rotate)
  .addSuccess(NewToken, { status: 201 })
  .addError(problems(400, 409))
  .annotate(OpenApi.Summary, "Put one new token in the place of all of a subject")
  .annotate(
    OpenApi.Description,
    "In one step, as `token rotate` does it. What is not told is as with the newest one."
  )

const revokeSubject = HttpApiEndpoint.del(
  "revokeSubject",
  "/v1/admin/subjects/:subject/credentials"
)
  .setPath(bySubject)
  .addSuccess(Revoked)
  .addError(problems(400))
  .annotate(OpenApi.Summary, "Revoke every token and TSIG key of a subject")
  .annotate(
    OpenApi.Description,
    "The subject stays with its key. 404 if there was nothing to revoke."
  )

const listTsigKeys = HttpApiEndpoint.get("listTsigKeys", "/v1/admin/tsig-keys")
  .setUrlParams(selection)
  .addSuccess(HeldTsigKeys)
  .addError(problems(400))
  .annotate(OpenApi.Summary, "List TSIG keys")
  .annotate(OpenApi.Description, "Active ones, by name; never their secrets.")

const issueTsigKey = HttpApiEndpoint.post("issueTsigKey", "/v1/admin/tsig-keys")
  .setPayload(IssueTsigKey)
  .addSuccess(NewTsigKey, { status: 201 })
  .addError(problems(400, 409))
  .annotate(OpenApi.Summary, "Issue a TSIG key")
  .annotate(
    OpenApi.Description,
    "In the place of the one that the same holder had. 409 says why the subject may have none."
  )

const revokeTsigKey = HttpApiEndpoint.del("revokeTsigKey", "/v1/admin/tsig-keys/:name")
  .setPath(byName)
  .addSuccess(HttpApiSchema.NoContent)
  .annotate(OpenApi.Summary, "Revoke a TSIG key")
  .annotate(OpenApi.Description, "404 if there is no such live key.")

const rotateTsigKey = HttpApiEndpoint.post("rotateTsigKey", "/v1/admin/tsig-keys/:name/rotate")
  .setPath(byName)
  .addSuccess(NewTsigKey, { status: 201 })
  .annotate(OpenApi.Summary, "Give a TSIG key a new secret")
  .annotate(OpenApi.Description, "Name, scope and end stay; the old secret signs nothing any more.")

export class CredentialsApi extends HttpApiGroup.make("credentials")
  .add(listTokens)
  .add(issueToken)
  .add(revokeToken)
  .add(rotateToken)
  .add(rotateSubject)
  .add(revokeSubject)
  .add(listTsigKeys)
  .add(issueTsigKey)
  .add(revokeTsigKey)
  .add(rotateTsigKey)
  .addError(problems(401, 404, 429, 503))
  .annotate(
    OpenApi.Description,
    "Credentials of users, given out and ended by the operator's programs as by the commands `token` and `tsig`; takes the operator's token. Absent without one; tokens are there where the mode is `multi-tenant`, TSIG keys where DNS UPDATE is on. A member that no body here has is refused, so that a slip of the pen makes no token without end."
  ) {}
