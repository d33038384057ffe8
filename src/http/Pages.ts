/** Pages for people and the OpenAPI document. Rendered when first asked for, the status page at most twice a minute. */
import { Clock, Duration, Effect } from "effect"
import { AuthConfig } from "../auth/AuthConfig.ts"
import { Registration } from "../auth/Registration.ts"
import { RegistrationConfig } from "../auth/RegistrationConfig.ts"
import { UpdateConfig } from "../auth/UpdateConfig.ts"
import { AnswerIndex } from "../zone/AnswerIndex.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import * as ApiPage from "./ApiPage.ts"
import { NodeFacts } from "./NodeFacts.ts"
import { document } from "./OpenApiDocument.ts"
import type { Reply } from "./Reply.ts"
import type { Route } from "./Route.ts"
import * as StatusPage from "./StatusPage.ts"
import { stylesheet } from "./Stylesheet.ts"

const freshness = Duration.seconds(30)

const page = (contentType: string, body: string): Reply => ({
  status: 200,
  contentType,
  body,
  headers: {
    "Cache-Control": `public, max-age=${Duration.toSeconds(freshness)}`,
    "Content-Security-Policy":
      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  }
})
const markup = (body: string): Reply => page("text/html; charset=utf-8", body)

const serve = (paths: ReadonlyArray<string>, reply: Effect.Effect<Reply>): Route => ({
  template: paths[0] ?? "/",
  matches: (path) => paths.includes(path),
  methods: ["GET"],
  handle: () => reply
})

export const routes = Effect.gen(function* () {
  const { mode } = yield* AuthConfig
  const config = yield* RegistrationConfig
  const facts = yield* NodeFacts
  const registration = yield* Registration
  const { updateEnabled } = yield* UpdateConfig
  const zone = yield* AnswerIndex
  const { nodeHostname: hostname, zones } = yield* ZoneConfig
  const terms = {
    mode,
    selfService: registration.enabled,
    tsig: registration.tsigEnabled && updateEnabled,
    updates: updateEnabled
  }
  const status = yield* Effect.cachedWithTTL(
    Effect.zipWith(facts.peers, Clock.currentTimeMillis, (peers, millis) =>
      markup(
        StatusPage.render({
          ...terms,
          allowlist: config.allowlist,
          hostname,
          zones,
          records: zone.valueCount,
          own: facts.own,
          peers,
          now: Math.floor(millis / 1000)
        })
      )
    ),
    freshness
  )
  const reference = yield* Effect.cached(Effect.sync(() => markup(ApiPage.render(document()))))
  const openApi = yield* Effect.cached(
    Effect.sync(() => page("application/json", JSON.stringify(document())))
  )
  return [
    serve(["/", "/index.html"], status),
    serve(["/docs"], reference),
    serve(["/style.css"], Effect.succeed(page("text/css; charset=utf-8", stylesheet))),
    serve(["/openapi.json"], openApi)
  ]
})
