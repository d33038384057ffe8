/**
 * The operator's dashboard as routes: all of it behind `Gate`, none of it without an operator
 * token. Without this layer the node has no dashboard and everything else works.
 */
import { Effect, Layer, Option, type Redacted } from "effect"
import { AuthConfig } from "../../auth/AuthConfig.ts"
import { TokenStore } from "../../auth/TokenStore.ts"
import { TsigKeyStore } from "../../auth/TsigKeyStore.ts"
import { UpdateConfig } from "../../auth/UpdateConfig.ts"
import { MetricReader } from "../../runtime/MetricReader.ts"
import { TopTalkers } from "../../runtime/TopTalkers.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"
import type { StoreError } from "../../zone/RecordStore.ts"
import * as Census from "../../zone/Census.ts"
import { ZoneConfig } from "../../zone/ZoneConfig.ts"
import { Dashboard } from "../Dashboard.ts"
import { html, type Html } from "../Html.ts"
import { NodeFacts } from "../NodeFacts.ts"
import * as Refusal from "../Refusal.ts"
import { json, type Reply } from "../Reply.ts"
import type { Method, Route } from "../Route.ts"
import { ShownSettings } from "../ShownSettings.ts"
import * as Actions from "./Actions.ts"
import * as AdminReply from "./AdminReply.ts"
import * as Assets from "./Assets.ts"
import * as AuditPage from "./AuditPage.ts"
import * as BackupsPage from "./BackupsPage.ts"
import type { Fields } from "./Form.ts"
import { frame } from "./Frame.ts"
import * as Gate from "./Gate.ts"
import * as Live from "./Live.ts"
import * as OverviewPage from "./OverviewPage.ts"
import * as PeersPage from "./PeersPage.ts"
import * as RefusalsPage from "./RefusalsPage.ts"
import * as SettingsPage from "./SettingsPage.ts"
import * as UsersPage from "./UsersPage.ts"

export interface Options {
  /** What kind of record a value is, given as octets; one of few. */
  readonly kindOf: (octets: string) => string
  readonly version: string
}

const networksShown = 50

const storeAnswer = <A, R>(effect: Effect.Effect<A, StoreError, R>) =>
  Effect.mapError(effect, Refusal.storeUnavailable)

const route = (path: string, methods: ReadonlyArray<Method>, handle: Route["handle"]): Route => ({
  template: path,
  matches: (asked) => asked === path,
  methods,
  handle
})

const asset = (path: string, contentType: string, body: string): Route =>
  route(path, ["GET"], () =>
    Effect.succeed({
      status: 200,
      contentType,
      body,
      headers: { "Cache-Control": "public, max-age=86400" }
    })
  )

const build = (token: Redacted.Redacted<string>, options: Options) =>
  Effect.gen(function* () {
    const gate = yield* Gate.make(token)
    const { mode } = yield* AuthConfig
    const { updateEnabled } = yield* UpdateConfig
    const { nodeHostname, zones } = yield* ZoneConfig
    const facts = yield* NodeFacts
    const settings = yield* ShownSettings
    const talkers = yield* TopTalkers
    const tokens = yield* TokenStore
    const tsigKeys = yield* TsigKeyStore
    const live = yield* Live.make
    const census = yield* Effect.cachedWithTTL(Census.take(options.kindOf), "30 seconds")
    const node = Option.getOrElse(nodeHostname, () => zones[0] ?? "dnsmesh-node")
    const context = yield* Effect.context<Actions.Needs>()

    const framed = (path: string, visit: Gate.Visit, body: Html, status = 200): Reply =>
      AdminReply.page(status, frame({ path, node, formToken: visit.formToken, body }))

    const page = (
      path: string,
      body: (visit: Gate.Visit) => Effect.Effect<Html, Refusal.Refusal>
    ): Route =>
      route(
        path,
        ["GET"],
        gate.page((visit) => Effect.map(body(visit), (html) => framed(path, visit, html)))
      )

    const users = (visit: Gate.Visit, search: string, notice: Html) =>
      storeAnswer(
        Effect.gen(function* () {
          const wanted = search.toLowerCase()
          const found = (subject: string) => subject.includes(wanted)
          return UsersPage.render({
            tokens: (yield* tokens.listTokens({ includeRevoked: false })).filter((row) =>
              found(row.subject)
            ),
            owners: (yield* tokens.listOwners).filter(({ subject }) => found(subject)),
            keys: (yield* tsigKeys.list).filter((key) => !key.revoked && found(key.subject)),
            multiTenant: mode === "multi-tenant",
            updates: updateEnabled,
            search,
            formToken: visit.formToken,
            now: yield* UnixTime.now,
            notice
          })
        })
      )

    const action = (
      path: string,
      act: (fields: Fields) => Effect.Effect<Actions.Outcome, Refusal.Refusal, Actions.Needs>
    ): Route =>
      route(
        path,
        ["POST"],
        gate.action((visit, fields) =>
          Effect.gen(function* () {
            const { notice, status } = yield* Effect.provide(act(fields), context)
            return framed("/admin/users", visit, yield* users(visit, "", notice), status)
          })
        )
      )

    const peers = Effect.gen(function* () {
      return PeersPage.render({
        cluster: yield* facts.cluster,
        heartbeats: Option.isSome(facts.own),
        peers: yield* facts.peers,
        now: yield* UnixTime.now
      })
    })

    const { version } = options
    return [
      asset("/admin/style.css", "text/css; charset=utf-8", Assets.style),
      asset("/admin/app.js", "text/javascript; charset=utf-8", Assets.script),
      route(Gate.loginPath, ["GET", "POST"], gate.login),
      route("/admin/logout", ["POST"], gate.logout),
      route(
        "/admin/live.json",
        ["GET"],
        gate.data(() => Effect.map(live, (snapshot) => json(200, snapshot)))
      ),
      page("/admin", () =>
        Effect.zipWith(live, census, (snapshot, counted) =>
          OverviewPage.render({ live: snapshot, census: counted, version })
        )
      ),
      page("/admin/users", (visit) =>
        users(visit, new URLSearchParams(visit.exchange.query).get("q") ?? "", html``)
      ),
      page("/admin/refusals", () =>
        Effect.map(UnixTime.now, (now) =>
          RefusalsPage.render(talkers.top(networksShown), talkers.busiest(networksShown), now)
        )
      ),
      page("/admin/peers", () => peers),
      page("/admin/backups", () =>
        Effect.map(UnixTime.now, (now) => BackupsPage.render(MetricReader.now(), now))
      ),
      page("/admin/settings", () => Effect.sync(() => SettingsPage.render(settings))),
      page("/admin/audit", ({ exchange }) => {
        const event = AuditPage.eventIn(exchange.query)
        return storeAnswer(
          Effect.map(
            tokens.tailAudit({ limit: AuditPage.shown, ...(event === undefined ? {} : { event }) }),
            (rows) => AuditPage.render(rows, event)
          )
        )
      }),
      action("/admin/tokens/issue", Actions.issueToken),
      action("/admin/tokens/revoke", Actions.revokeToken),
      action("/admin/subjects/revoke", Actions.revokeSubject),
      action("/admin/tsig/issue", Actions.issueTsigKey),
      action("/admin/tsig/revoke", Actions.revokeTsigKey)
    ]
  })

/** The dashboard of a node with an operator token; of one without, nothing. */
export const layer = (options: Options) =>
  Layer.scoped(
    Dashboard,
    Effect.gen(function* () {
      const { operatorToken } = yield* AuthConfig
      return Option.isNone(operatorToken) ? [] : yield* build(operatorToken.value, options)
    })
  )
