/**
 * The record endpoints, described. `RecordsHttp` decodes with these schemas, and the
 * OpenAPI document is made from them.
 */
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { Problem } from "./Refusal.ts"

export const defaultTtl = 300

export const PublishPayload = Schema.Struct({
  value: Schema.String.annotations({
    description: "The TXT value: printable ASCII without the double quote."
  }),
  ttl: Schema.optionalWith(
    Schema.Int.pipe(Schema.positive()).annotations({
      description: "Seconds the record lives from now. Above the node's cap it is refused."
    }),
    { default: () => defaultTtl }
  )
}).annotations({ identifier: "Publish" })

export const WithdrawPayload = Schema.Struct({
  value: Schema.optional(Schema.NullOr(Schema.String)).annotations({
    description: "The value to withdraw. Without it, every value of the name."
  })
}).annotations({ identifier: "Withdraw" })

export const Published = Schema.Struct({ ok: Schema.Literal(true) }).annotations({
  identifier: "Published"
})

export const Records = Schema.Struct({
  name: Schema.String.annotations({ description: "As asked." }),
  values: Schema.Array(Schema.String).annotations({ description: "In order of last publish." })
}).annotations({ identifier: "Records" })

const path = Schema.Struct({
  name: Schema.String.annotations({ description: "An owner name, of any case." })
})

const read = HttpApiEndpoint.get("read", "/v1/records/:name")
  .setPath(path)
  .addSuccess(Records)
  .addError(Records, { status: 404 })
  .addError(Problem, { status: 401 })
  .addError(Problem, { status: 429 })
  .annotate(OpenApi.Summary, "Read the live values of a name")
  .annotate(
    OpenApi.Description,
    "For looking into a node; the mesh reads over DNS. Takes the operator's token where one is set."
  )

const publish = HttpApiEndpoint.post("publish", "/v1/records/:name")
  .setPath(path)
  .setPayload(PublishPayload)
  .addSuccess(Published, { status: 201 })
  .addError(Problem, { status: 400 })
  .addError(Problem, { status: 401 })
  .addError(Problem, { status: 403 })
  .addError(Problem, { status: 413 })
  .addError(Problem, { status: 429 })
  .addError(Problem, { status: 503 })
  .addError(Problem, { status: 507 })
  .annotate(OpenApi.Summary, "Publish a value")
  .annotate(
    OpenApi.Description,
    "Adds a value to the name, or gives the same value a new lifetime. Once answered, the record survives a crash and a power cut, and DNS serves it."
  )

const withdraw = HttpApiEndpoint.del("withdraw", "/v1/records/:name")
  .setPath(path)
  .setPayload(WithdrawPayload)
  .addSuccess(HttpApiSchema.NoContent)
  .addError(HttpApiSchema.Empty(404))
  .addError(Problem, { status: 400 })
  .addError(Problem, { status: 401 })
  .addError(Problem, { status: 403 })
  .addError(Problem, { status: 429 })
  .addError(Problem, { status: 503 })
  .annotate(OpenApi.Summary, "Withdraw a value, or all values of a name")
  .annotate(OpenApi.Description, "Answers 404 with an empty body if there was nothing to withdraw.")

export class RecordsApi extends HttpApiGroup.make("records")
  .add(read)
  .add(publish)
  .add(withdraw)
  .annotate(OpenApi.Title, "Records")
  .annotate(OpenApi.Description, "TXT records, by owner name.") {}
