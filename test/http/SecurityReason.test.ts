import { assert, describe, it } from "@effect/vitest"
import * as SecurityReason from "../../src/http/SecurityReason.ts"

const records = "/v1/records/{name}"
const bearer = "Bearer guessed"

describe("what an answer says of its receiver", () => {
  it.each([
    [401, records, bearer, "token"],
    [401, "/metrics", bearer, "token"],
    [401, "/admin/login", undefined, "login"],
    [401, "/v1/registration/confirm", undefined, "registration"],
    [401, "/v1/registration/tsig-confirm", undefined, "registration"],
    [429, records, bearer, "limit"],
    [429, "/dns-query", undefined, "limit"]
  ] as const)("%i at %s is a refusal to tell of", (status, route, authorization, reason) => {
    assert.strictEqual(SecurityReason.of(status, route, authorization), reason)
  })

  it.each([
    [401, "/metrics", undefined],
    [401, records, undefined],
    [403, records, bearer],
    [404, "other", bearer],
    [400, "/v1/registration/confirm", undefined],
    [503, records, bearer],
    [201, records, bearer],
    [499, records, bearer]
  ] as const)("%i at %s is none", (status, route, authorization) => {
    assert.isUndefined(SecurityReason.of(status, route, authorization))
  })
})
