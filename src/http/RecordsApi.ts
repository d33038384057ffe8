/**
 * The record endpoints, described. `RecordsHttp` decodes with these schemas, and the
 * OpenAPI document is made from them.
 */
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { problems } from "./Refusal.ts"

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

/** Records in one batch, whatever the limits of its sender allow. */
export const maxBatch = 256
/** Octets of one batch. */
export const maxBatchBytes = 524_288

export const BatchRecord = Schema.Struct({
  name: Schema.String.annotations({ description: "An owner name, of any case." }),
  ...PublishPayload.fields
}).annotations({ identifier: "BatchRecord" })

export const Batch = Schema.Struct({
  records: Schema.Array(BatchRecord).annotations({
    description: `1 to ${maxBatch} of them, and no more than the sender's limit allows at once.`
  })
}).annotations({ identifier: "Batch" })

export const Outcome = Schema.Struct({
  status: Schema.Int.annotations({
    description: "What publishing this record alone would have been answered; 201 is published."
  }),
  error: Schema.optional(Schema.String).annotations({ description: "As in a Problem." }),
  code: Schema.optional(Schema.String).annotations({ description: "As in a Problem." }),
  retry_after: Schema.optional(Schema.Int).annotations({
    description: "Seconds, where it is worth trying again."
  })
}).annotations({ identifier: "Outcome" })

export const BatchOutcome = Schema.Struct({
  published: Schema.Int,
  refused: Schema.Int,
  results: Schema.Array(Outcome).annotations({
    description: "One for each record, in the order of the request."
  })
}).annotations({ identifier: "BatchOutcome" })

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
  .annotate(OpenApi.Summary, "Read the live values of a name")
  .annotate(
    OpenApi.Description,
    "For looking into a node; the mesh reads over DNS. Takes the operator's token where one is set."
  )

const publish = HttpApiEndpoint.post("publish", "/v1/records/:name")
  .setPath(path)
  .setPayload(PublishPayload)
  .addSuccess(Published, { status: 201 })
  .addError(problems(400, 403, 413, 503, 507))
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
  .addError(problems(400, 403, 503))
  .annotate(OpenApi.Summary, "Withdraw a value, or all values of a name")
  .annotate(OpenApi.Description, "Answers 404 with an empty body if there was nothing to withdraw.")

const batch = HttpApiEndpoint.post("batch", "/v1/records")
  .setPayload(Batch)
  .addSuccess(BatchOutcome)
  .addSuccess(BatchOutcome, { status: 207 })
  .addError(problems(400, 413, 503))
  .annotate(OpenApi.Summary, "Publish many records")
  .annotate(
    OpenApi.Description,
    `Each record is judged alone, as if it had come alone, and what is let in becomes durable together: 200 says that all were published, 207 that some were not, and \`results\` which and why. A batch costs the sender's limit as many requests as it has records, and each record one write of the token's own limit; with the operator's token a batch costs one request. At most ${maxBatch} records and ${maxBatchBytes / 1024} KiB.`
  )

export class RecordsApi extends HttpApiGroup.make("records")
  .add(read)
  .add(publish)
  .add(batch)
  .add(withdraw)
  .addError(problems(401, 429))
  .annotate(OpenApi.Title, "Records")
  .annotate(OpenApi.Description, "TXT records, by owner name.") {}
