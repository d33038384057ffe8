/** What a shipped client and a probe once said to another node, said again to this one. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import { ask, closed, start } from "./TestNode.ts"

const Exchange = Schema.Struct({
  from: Schema.Literal("client", "driver"),
  step: Schema.String,
  method: Schema.String,
  target: Schema.String,
  authorization: Schema.optional(Schema.String),
  body: Schema.String,
  status: Schema.Number,
  answer: Schema.String
})
const exchanges = Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(Exchange)))(
  readFileSync(new URL("../fixtures/client-0.3.0.json", import.meta.url), "utf8")
)

describe("recorded exchanges of client 0.3.0", () => {
  it.scopedLive("get the same statuses, and the same members in every body", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: closed("legacy") })
      for (const { answer, authorization, body, method, status, step, target } of exchanges) {
        const ours = yield* ask(node, method, target, {
          ...(body === "" ? {} : { body }),
          headers: {
            "content-type": "application/json",
            ...(authorization === undefined ? {} : { authorization })
          }
        })
        assert.strictEqual(ours.status, status, step)
        if (answer === "") assert.strictEqual(ours.text, "", step)
        else assert.deepInclude(ours.json, JSON.parse(answer), step)
      }
    })
  )
})
