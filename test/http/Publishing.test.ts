import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Schema } from "effect"
import * as Publishing from "../../src/http/Publishing.ts"
import { PublishPayload } from "../../src/http/RecordsApi.ts"
import { Limits } from "../../src/zone/Limits.ts"

const unbounded = { ...Limits.defaults, maxTtl: Infinity, maxValueBytes: Infinity }
const decode = Schema.decodeUnknownEither(PublishPayload)

/** As `JSON.parse` may give them, `NaN` for what `jsonObject` takes out included. */
const number = fc.oneof(
  fc.integer({ min: -2, max: 2 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom(2 ** 53, 2 ** 53 - 1, 0.5, -0, NaN)
)
const member = fc.oneof(number, fc.string(), fc.boolean(), fc.constant(null), fc.array(number))

describe("what a publish must look like", () => {
  it.prop(
    "is what its schema says, member by member",
    [
      fc.record(
        { value: fc.oneof(fc.string(), member), ttl: fc.oneof(number, member), more: member },
        { requiredKeys: [] }
      )
    ],
    ([payload]) => {
      const change = Publishing.changeOf("a.example", payload, unbounded)
      const decoded = decode(payload)
      if (Either.isLeft(decoded)) {
        assert(Either.isLeft(change))
        assert.strictEqual(change.left.code, "invalid-types")
      } else {
        assert(Either.isRight(change) && change.right._tag === "Add")
        assert.deepEqual({ ...change.right.record }, { owner: "a.example", ...decoded.right })
      }
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it.prop(
    "names its owner in the path, encoded or not, with or without a slash behind",
    [fc.stringMatching(/^[a-zA-Z0-9._-]{1,40}[a-z]$/), fc.constantFrom("", "/"), fc.boolean()],
    ([owner, slash, encodes]) => {
      const segment = encodes
        ? [...Buffer.from(owner)].map((octet) => `%${octet.toString(16).padStart(2, "0")}`).join("")
        : owner
      assert.strictEqual(Publishing.ownerIn(`/v1/records/${segment}${slash}`, ""), owner)
      assert.strictEqual(Publishing.ownerIn(`/v1/records/${segment}${slash}`, "?x"), `${owner}?x`)
    }
  )
})
