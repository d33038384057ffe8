/**
 * `/v1/admin`: the commands `token` and `tsig` for the operator's programs, by the same rules.
 * Order of checks: bucket, the operator's token, then what was asked. Invariant: without an
 * operator token none of it is there, and a secret is answered once.
 */
import { Effect, Option, Redacted } from "effect"
import { AuthConfig } from "../auth/AuthConfig.ts"
import * as CredentialFacts from "../auth/CredentialFacts.ts"
import * as Credentials from "../auth/Credentials.ts"
import { isLive } from "../auth/TokenRow.ts"
import { TokenStore } from "../auth/TokenStore.ts"
import * as TsigCredentials from "../auth/TsigCredentials.ts"
import { isActive } from "../auth/TsigKey.ts"
import { TsigKeyStore } from "../auth/TsigKeyStore.ts"
import { UpdateConfig } from "../auth/UpdateConfig.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { Authentication } from "./Authentication.ts"
import { ClientLimit } from "./ClientLimit.ts"
import * as Asked from "./CredentialsRequest.ts"
import { IssueToken, IssueTsigKey, Rotate } from "./CredentialsSchemas.ts"
import { CredentialStores, type Needs } from "./CredentialStores.ts"
import * as Refusal from "./Refusal.ts"
import { empty, json, type Reply } from "./Reply.ts"
import type { Exchange, Method, Route } from "./Route.ts"

const issuer = "api"

const missing = (code: string, error: string) => new Refusal.Refusal({ status: 404, code, error })
const noToken = missing("no-such-token", "there is no such live token")
const noKey = missing("no-such-key", "there is no such live key")
const nothingHeld = missing("nothing-to-revoke", "the subject has no live credential")

type Handle = (
  exchange: Exchange,
  /** The part of the path that the template leaves open, decoded. */
  given: string
) => Effect.Effect<Reply, Asked.Failure, Needs>

const issuedToken = ({ row, token }: Credentials.IssuedToken) =>
  Effect.map(UnixTime.now, (now) =>
    json(201, { token: Redacted.value(token), ...CredentialFacts.ofToken(row, now) })
  )

const issuedKey = (key: Effect.Effect.Success<ReturnType<typeof TsigCredentials.issue>>) =>
  Effect.map(UnixTime.now, (now) =>
    json(201, {
      secret_hex: Buffer.from(key.secret).toString("hex"),
      ...CredentialFacts.ofTsigKey(key, now)
    })
  )

const listTokens: Handle = (exchange) =>
  Effect.gen(function* () {
    const { all, page, subject } = yield* Asked.selection(exchange.query)
    const now = yield* UnixTime.now
    const rows = yield* (yield* TokenStore).listTokens({
      includeRevoked: all,
      ...(subject === undefined ? {} : { subject })
    })
    const wanted = all ? rows : rows.filter((row) => isLive(row, now))
    return json(200, {
      tokens: page(wanted).map((row) => CredentialFacts.ofToken(row, now)),
      total: wanted.length
    })
  })

const issueToken: Handle = (exchange) =>
  Effect.gen(function* () {
    const asked = yield* Asked.body(exchange, decodeIssueToken)
    const issued = yield* Credentials.issueToken({
      subject: asked.subject,
      lifetime: yield* Asked.lifetime(asked.expires),
      ratePerSec: asked.rate_per_sec ?? Credentials.defaultRates.ratePerSec,
      rateBurst: asked.rate_burst ?? Credentials.defaultRates.rateBurst,
      note: asked.note ?? "",
      prekeyPub: asked.prekey_x25519_pub ?? "",
      issuer
    })
    return yield* issuedToken(issued)
  })

const successor = (exchange: Exchange) =>
  Effect.gen(function* () {
    const asked = yield* Asked.body(exchange, decodeRotate)
    return {
      lifetime: yield* Asked.lifetime(asked.expires),
      ratePerSec: Option.fromNullable(asked.rate_per_sec),
      rateBurst: Option.fromNullable(asked.rate_burst),
      issuer: `${issuer}:rotate`
    }
  })

const rotateToken: Handle = (exchange, hash) =>
  Effect.gen(function* () {
    const issued = yield* Credentials.replaceToken(hash, yield* successor(exchange))
    return Option.isNone(issued) ? yield* noToken : yield* issuedToken(issued.value)
  })

const rotateSubject: Handle = (exchange, subject) =>
  Effect.gen(function* () {
    const asked = yield* successor(exchange)
    return yield* issuedToken(yield* Credentials.rotateToken({ subject, ...asked }))
  })

const revokeToken: Handle = (_, hash) =>
  Effect.flatMap(Credentials.revokeToken(hash), (was) =>
    was ? Effect.succeed(empty(204)) : Effect.fail(noToken)
  )

const revokeSubject: Handle = (_, subject) =>
  Effect.flatMap(Credentials.revokeSubject(subject), (revoked) =>
    revoked > 0 ? Effect.succeed(json(200, { revoked })) : Effect.fail(nothingHeld)
  )

const listTsigKeys: Handle = (exchange) =>
  Effect.gen(function* () {
    const { all, page, subject } = yield* Asked.selection(exchange.query)
    const now = yield* UnixTime.now
    const wanted = (yield* (yield* TsigKeyStore).list).filter(
      (key) =>
        (all || isActive(key, now)) && (subject === undefined || key.subject === String(subject))
    )
    return json(200, {
      tsig_keys: page(wanted).map((key) => CredentialFacts.ofTsigKey(key, now)),
      total: wanted.length
    })
  })

const issueTsigKey: Handle = (exchange) =>
  Effect.gen(function* () {
    const asked = yield* Asked.body(exchange, decodeIssueTsigKey)
    const key = yield* TsigCredentials.issue({
      subject: asked.subject,
      spk: asked.ed25519_spk ?? "",
      x25519Pub: asked.x25519_pub ?? "",
      lifetime: yield* Asked.lifetime(asked.expires),
      issuer
    })
    return yield* issuedKey(key)
  })

const rotateTsigKey: Handle = (_, name) =>
  Effect.flatMap(
    TsigCredentials.rotate(name, `${issuer}:rotate`),
    Option.match({ onNone: () => Effect.fail(noKey), onSome: issuedKey })
  )

const revokeTsigKey: Handle = (_, name) =>
  Effect.flatMap(TsigCredentials.revoke(name), (was) =>
    was ? Effect.succeed(empty(204)) : Effect.fail(noKey)
  )

const decodeIssueToken = Asked.strictly(IssueToken)
const decodeRotate = Asked.strictly(Rotate)
const decodeIssueTsigKey = Asked.strictly(IssueTsigKey)

/** None without an operator token, and none about what the node does not have. */
export const routes = Effect.gen(function* () {
  const stores = yield* CredentialStores
  const { mode, operatorToken } = yield* AuthConfig
  if (Option.isNone(stores) || Option.isNone(operatorToken)) return []
  const { updateEnabled } = yield* UpdateConfig
  const authentication = yield* Authentication
  const bucket = yield* ClientLimit

  const route = (template: string, handlers: Partial<Record<Method, Handle>>): Route => {
    const shape = new RegExp(`^${template.replace(/\{[^}]+\}/, "([^/]+)")}$`)
    return {
      template,
      matches: (path) => shape.test(path),
      methods: (["GET", "POST", "DELETE"] as const).filter((it) => handlers[it] !== undefined),
      handle: (exchange) =>
        Effect.suspend(() => {
          const refusal =
            bucket.charge(exchange) ??
            authentication.operatorOnly(exchange.request.headers.authorization)
          if (refusal !== undefined) return Effect.fail(refusal)
          const handle = handlers[exchange.method]
          const given = Asked.decoded(shape.exec(exchange.path)?.[1] ?? "")
          return handle === undefined || given === undefined
            ? Effect.fail(Refusal.notFound)
            : Effect.mapError(
                Effect.provide(handle(exchange, given), stores.value),
                Asked.refusalOf
              )
        })
    }
  }

  const tokens = [
    route("/v1/admin/tokens", { GET: listTokens, POST: issueToken }),
    route("/v1/admin/tokens/{token_hash}", { DELETE: revokeToken }),
    route("/v1/admin/tokens/{token_hash}/rotate", { POST: rotateToken }),
    route("/v1/admin/subjects/{subject}/rotate", { POST: rotateSubject })
  ]
  const keys = [
    route("/v1/admin/tsig-keys", { GET: listTsigKeys, POST: issueTsigKey }),
    route("/v1/admin/tsig-keys/{name}", { DELETE: revokeTsigKey }),
    route("/v1/admin/tsig-keys/{name}/rotate", { POST: rotateTsigKey })
  ]
  const both = [route("/v1/admin/subjects/{subject}/credentials", { DELETE: revokeSubject })]
  const multiTenant = mode === "multi-tenant"
  return [
    ...(multiTenant ? tokens : []),
    ...(updateEnabled ? keys : []),
    ...(multiTenant || updateEnabled ? both : [])
  ]
})
