/** Who gets what answer where: every mode against every endpoint and credential, from outside. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as M from "../wire/messages.ts"
import { runNode } from "./Admin.ts"
import * as Dns from "./DnsClient.ts"
import { directory, type Environment, type NodeProcess, request, start } from "./NodeProcess.ts"
import * as User from "./User.ts"

const { operatorToken, zone } = User
const syncToken = "sync-token-of-this-test"
const unissued = `dmp_v1_${"A".repeat(52)}`

const common = {
  DMP_DNS_RATE: "0",
  DMP_HTTP_RATE: "0",
  DMP_DOMAIN: zone,
  DMP_NODE_HOSTNAME: `node.${zone}`,
  // Only multi-tenant nodes take it up.
  DMP_REGISTRATION_ENABLED: "1",
  DMP_REGISTRATION_ENDPOINT_RATE_PER_SEC: "0"
}
const withOperator = { DMP_OPERATOR_TOKEN: operatorToken }

const modes = {
  open: { ...common, DMP_AUTH_MODE: "open" },
  "open, with a token": { ...common, ...withOperator, DMP_AUTH_MODE: "open" },
  legacy: { ...common, ...withOperator, DMP_AUTH_MODE: "legacy" },
  "multi-tenant": { ...common, ...withOperator, DMP_AUTH_MODE: "multi-tenant" }
} satisfies Readonly<Record<string, Environment>>
type Mode = keyof typeof modes
const modeNames = Object.keys(modes) as ReadonlyArray<Mode>

/** `user` is a live token in its scope, `unissued` one that only looks like a token. */
type Credential = "none" | "operator" | "wrong" | "user" | "unissued" | "sync"

const denied = "401 unauthorized"
const absent = "404 not found"
const all = (answer: string) => [answer, answer, answer, answer] as const

/** Answers in the order of `modes`: the status, and `error` where there is one. */
type Row = readonly [
  method: string,
  path: string,
  credential: Credential,
  answers: readonly [string, string, string, string]
]

// Each name is its own, so that no row depends on another.
const name = (what: string) => `/v1/records/${what}.${zone}`
const own = `/v1/records/dmp.alice.${zone}`

const matrix: ReadonlyArray<Row> = [
  ["POST", name("a"), "none", ["201", "201", denied, denied]],
  ["POST", name("b"), "wrong", ["201", "201", denied, denied]],
  ["POST", name("c"), "operator", all("201")],
  ["POST", name("d"), "unissued", ["201", "201", denied, denied]],
  ["POST", name("e"), "sync", ["201", "201", denied, denied]],
  ["POST", own, "user", ["201", "201", denied, "201"]],
  [
    "POST",
    name("f"),
    "user",
    ["201", "201", denied, "403 token scope: the name is the operator's (not a name users write)"]
  ],

  ["GET", name("c"), "none", ["200", denied, denied, denied]],
  ["GET", name("c"), "wrong", ["200", denied, denied, denied]],
  ["GET", name("c"), "operator", all("200")],
  ["GET", name("c"), "user", ["200", denied, denied, denied]],
  ["HEAD", name("c"), "none", ["200", "401", "401", "401"]],
  ["GET", name("nothing"), "operator", all("404")],

  ["DELETE", name("c"), "none", ["204", "204", denied, denied]],
  ["DELETE", name("c"), "wrong", ["404", "404", denied, denied]],
  ["DELETE", name("c"), "operator", ["404", "404", "204", "204"]],
  ["DELETE", own, "user", ["204", "204", denied, "204"]],

  ["GET", "/metrics", "none", ["200", denied, denied, denied]],
  ["GET", "/metrics", "wrong", ["200", denied, denied, denied]],
  ["GET", "/metrics", "user", ["200", denied, denied, denied]],
  ["GET", "/metrics", "operator", all("200")],
  ["GET", "/health", "none", all("200")],
  ["GET", "/stats", "none", all("200")],
  ["GET", "/", "none", all("200")],

  ["GET", "/v1/registration/challenge", "none", [absent, absent, absent, "200"]],
  ["GET", "/v1/registration/challenge", "operator", [absent, absent, absent, "200"]],
  [
    "POST",
    "/v1/registration/confirm",
    "none",
    [absent, absent, absent, "400 missing or non-string field: subject"]
  ],
  [
    "POST",
    "/v1/registration/tsig-confirm",
    "none",
    [absent, absent, absent, "404 tsig registration disabled"]
  ],

  ["GET", "/v1/sync/digest", "none", all("403 forbidden")],
  ["GET", "/v1/sync/digest", "operator", all("403 forbidden")],
  ["POST", "/v1/sync/pull", "none", all("403 forbidden")],
  ["POST", "/v1/sync/pull", "user", all("403 forbidden")],
  ["GET", "/v1/sync/cluster-manifest", "operator", all("403 forbidden")],

  ["PUT", name("a"), "operator", all("405 method not allowed")],
  ["GET", "/v1/no-such-thing", "none", all(absent)]
]

interface Running extends NodeProcess {
  readonly userToken: string
}

const call = (node: Running, method: string, path: string, credential: Credential) => {
  const bearer = {
    none: undefined,
    operator: operatorToken,
    wrong: "no-such-token",
    user: node.userToken,
    unissued,
    sync: syncToken
  }[credential]
  return Effect.map(
    request(node, path, {
      method,
      headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
      ...(method === "POST"
        ? { body: path.startsWith("/v1/records/") ? '{"value":"v=x","ttl":60}' : "{}" }
        : {})
    }),
    (answer) => {
      const refused = answer.status >= 400 && answer.body.includes('"error"')
      return refused ? `${answer.status} ${String(User.errorOf(answer))}` : String(answer.status)
    }
  )
}

const running = (env: Environment) =>
  Effect.gen(function* () {
    const node = yield* start({ DMP_DB_PATH: `${yield* directory}/dmp.db`, ...env })
    const person = User.person(`alice@${zone}`)
    const issued = yield* User.challenge(node)
    if (!("challenge" in issued)) return { ...node, userToken: unissued }
    const answer = yield* User.post(node, "confirm", User.confirmation(person, issued))
    return { ...node, userToken: User.tokenOf(answer) }
  })

/** What a client sends to learn whether there is a node at all. */
const probe = M.update("127.0.0.1", {
  authorities: [M.add("_dmp-probe.127.0.0.1", "v=dmp1;t=probe", 60)]
})
const inZone = M.update(zone, { authorities: [M.add(`a.${zone}`, "v", 60)] })
const stranger = {
  name: `nobody.${zone}`,
  algorithm: "hmac-sha256",
  secret: Buffer.alloc(32, 1)
} as const

describe("modes and endpoints", () => {
  it.scopedLive("answer every credential as the matrix says", () =>
    Effect.gen(function* () {
      const nodes = yield* Effect.forEach(modeNames, (mode) => running(modes[mode]), {
        concurrency: 2
      })
      const answers: Array<readonly [string, string]> = []
      const expected: Array<readonly [string, string]> = []
      for (const [method, path, credential, row] of matrix)
        for (const [at, node] of nodes.entries()) {
          const what = `${modeNames[at]}: ${method} ${path} with ${credential}`
          answers.push([what, yield* call(node, method, path, credential)])
          expected.push([what, row[at] ?? ""])
        }
      assert.deepStrictEqual(answers, expected)

      // UPDATE has its own switch, whatever the mode; a client's probe is always answered.
      for (const node of nodes) {
        for (const transport of Dns.transports) {
          const sent = (message: Buffer) => Dns.send(node.dns, message, { transport })
          assert.strictEqual((yield* sent(probe)).rcode, "REFUSED")
          assert.strictEqual((yield* sent(inZone)).rcode, "REFUSED")
          const signed = yield* Dns.send(node.dns, inZone, { transport, key: stranger })
          assert.deepInclude(signed, { rcode: "NOTAUTH", tsigError: 17 })
        }
      }
    })
  )

  it.scopedLive("open UPDATE, TSIG registration and the sync routes by their own switches", () =>
    Effect.gen(function* () {
      const on = { DMP_DNS_UPDATE_ENABLED: "1", DMP_SYNC_PEER_TOKEN: syncToken }
      const off = { DMP_REGISTRATION_ENABLED: "0" }
      const [legacy, community, closed] = yield* Effect.all(
        [
          running({ ...modes.legacy, ...on }),
          running({ ...modes["multi-tenant"], ...on }),
          running({ ...modes["multi-tenant"], ...on, ...off })
        ],
        { concurrency: 2 }
      )
      for (const node of [legacy, community, closed]) {
        for (const transport of Dns.transports) {
          assert.strictEqual((yield* Dns.send(node.dns, probe, { transport })).rcode, "NOTAUTH")
          assert.strictEqual((yield* Dns.send(node.dns, inZone, { transport })).rcode, "REFUSED")
          const signed = yield* Dns.send(node.dns, inZone, { transport, key: stranger })
          assert.deepInclude(signed, { rcode: "NOTAUTH", tsigError: 17 })
        }
        assert.strictEqual(yield* call(node, "GET", "/v1/sync/digest", "sync"), "200")
        assert.strictEqual(
          yield* call(node, "POST", "/v1/sync/pull", "sync"),
          "400 names must be a list"
        )
        for (const credential of ["none", "operator", "wrong"] as const)
          assert.strictEqual(
            yield* call(node, "GET", "/v1/sync/digest", credential),
            "403 forbidden"
          )
        assert.strictEqual(yield* call(node, "POST", name("a"), "sync"), denied)
      }
      const tsig = "/v1/registration/tsig-confirm"
      assert.strictEqual(yield* call(legacy, "POST", tsig, "none"), absent)
      assert.strictEqual(yield* call(closed, "POST", tsig, "none"), absent)
      assert.strictEqual(
        yield* call(community, "POST", tsig, "none"),
        "400 missing or non-string field: subject"
      )
    })
  )

  it.scopedLive("take the scheme in any case, and refuse what only looks like a credential", () =>
    Effect.gen(function* () {
      const node = yield* running(modes["multi-tenant"])
      const write = (authorization: string) =>
        Effect.map(
          request(node, own, {
            method: "POST",
            headers: { authorization },
            body: '{"value":"v=x","ttl":60}'
          }),
          ({ status }) => status
        )
      const { userToken } = node
      for (const fine of ["Bearer ", "bearer ", "BEARER  "])
        for (const token of [operatorToken, userToken])
          assert.strictEqual(yield* write(`${fine}${token}`), 201, fine)
      for (const bad of [
        userToken,
        `Basic ${userToken}`,
        `Bearer${userToken}`,
        `Bearer ${userToken.toLowerCase()}`,
        `Bearer ${userToken}x`,
        `Bearer ${userToken} x`,
        `Bearer ${operatorToken}x`,
        `Bearer ${operatorToken.slice(1)}`,
        "Bearer",
        "Bearer \u00e9"
      ])
        assert.strictEqual(yield* write(bad), 401, bad)
    })
  )

  it.scopedLive("refuse at the start what would leave the door open or names no mode", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const check = (env: Environment) =>
        runNode({ DMP_DB_PATH: `${dir}/dmp.db`, ...env }, "check-config")
      const bad: ReadonlyArray<readonly [Environment, RegExp]> = [
        [{ DMP_AUTH_MODE: "multitenant" }, /DMP_AUTH_MODE/],
        [{ DMP_AUTH_MODE: "open", DMP_HTTP_HOST: "0.0.0.0" }, /DMP_ALLOW_OPEN_PUBLIC_BIND/],
        [{ DMP_AUTH_MODE: "open", DMP_HTTP_HOST: "::" }, /DMP_ALLOW_OPEN_PUBLIC_BIND/]
      ]
      for (const [env, message] of bad) {
        const { code, output } = yield* check(env)
        assert.strictEqual(code, 78, output)
        assert.match(output, message)
        assert.notMatch(output, /\n\s+at /)
      }
    })
  )
})
