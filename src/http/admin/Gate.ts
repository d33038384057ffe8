/**
 * Who may pass to the operator's pages. The token opens a session; from then on the browser
 * shows a signed cookie, and every form carries that session's form token. Invariant: nothing
 * behind the gate runs without a session of the operator, and no form without its token.
 */
import { Effect, Metric, type Redacted } from "effect"
import { reduce } from "../../auth/AddressDetail.ts"
import * as OperatorSession from "../../auth/OperatorSession.ts"
import * as OperatorToken from "../../auth/OperatorToken.ts"
import * as RateLimiter from "../../runtime/RateLimiter.ts"
import { TopTalkers } from "../../runtime/TopTalkers.ts"
import { TrustedProxies } from "../../runtime/TrustedProxies.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"
import { peerOf } from "../ClientAddress.ts"
import * as Refusal from "../Refusal.ts"
import type { Reply } from "../Reply.ts"
import type { Exchange } from "../Route.ts"
import * as AdminReply from "./AdminReply.ts"
import * as Form from "./Form.ts"
import * as LoginPage from "./LoginPage.ts"

const cookieName = "dnsmesh-operator"
export const loginPath = "/admin/login"

/** Attempts of one client: five at once, then one every half minute. */
const attempts = { rate: 1 / 30, burst: 5 }

const logins = Metric.counter("dmp_admin_logins_total", {
  description: "Attempts to sign in to the dashboard, by result",
  incremental: true
})
const results = ["ok", "wrong", "limited"] as const
const byResult = new Map(results.map((it) => [it, Metric.tagged(logins, "result", it)]))
const count = (result: (typeof results)[number]): void => byResult.get(result)?.unsafeUpdate(1, [])

type Handled = Effect.Effect<Reply, Refusal.Refusal>

/** Somebody who has passed. */
export interface Visit {
  readonly exchange: Exchange
  /** For the forms of the page. */
  readonly formToken: string
}

export interface Gate {
  readonly login: (exchange: Exchange) => Handled
  readonly logout: (exchange: Exchange) => Handled
  /** A page, or the way to the login. */
  readonly page: (show: (visit: Visit) => Handled) => (exchange: Exchange) => Handled
  /** What a script asks for, or 401. */
  readonly data: (show: (visit: Visit) => Handled) => (exchange: Exchange) => Handled
  /** What a form of this session does. */
  readonly action: (
    act: (visit: Visit, fields: Form.Fields) => Handled
  ) => (exchange: Exchange) => Handled
}

const cookieIn = (exchange: Exchange): string => {
  const prefix = `${cookieName}=`
  const cookies = (exchange.request.headers.cookie ?? "").split(";").map((part) => part.trim())
  return cookies.find((cookie) => cookie.startsWith(prefix))?.slice(prefix.length) ?? ""
}

const outdated = AdminReply.page(403, LoginPage.outdated)

export const make = (token: Redacted.Redacted<string>) =>
  Effect.gen(function* () {
    const trusts = yield* TrustedProxies
    const talkers = yield* TopTalkers
    const limiter = yield* RateLimiter.make(attempts)
    const sessions = OperatorSession.make()
    const isToken = OperatorToken.matcher(token)
    for (const metric of byResult.values()) metric.register()

    /** True when the browser is known to speak TLS, to the proxy in front. */
    const isSecure = ({ request }: Exchange): boolean =>
      request.headers["x-forwarded-proto"] === "https" &&
      trusts(peerOf(request.socket.remoteAddress).address)

    const cookie = (exchange: Exchange, value: string, maxAge: number) => ({
      "Set-Cookie":
        `${cookieName}=${value}; Path=/admin; Max-Age=${maxAge}; HttpOnly; SameSite=Strict` +
        (isSecure(exchange) ? "; Secure" : "")
    })
    const opened = (exchange: Exchange, session: OperatorSession.Session) =>
      cookie(exchange, sessions.seal(session), OperatorSession.lifetimes[session.kind])

    const sessionOf = (exchange: Exchange) =>
      Effect.map(UnixTime.now, (now) => sessions.read(cookieIn(exchange), now))

    /** Browsers say where a request comes from; only a page of ours may send a form. */
    const isForeign = ({ request }: Exchange): boolean => {
      const site = request.headers["sec-fetch-site"]
      return site !== undefined && site !== "same-origin"
    }

    const loginForm = (exchange: Exchange, status: number, problem: string) =>
      Effect.map(UnixTime.now, (now): Reply => {
        const session = sessions.open("visitor", now)
        return AdminReply.page(
          status,
          LoginPage.render(sessions.formToken(session), problem),
          opened(exchange, session)
        )
      })

    const attempt = Effect.fnUntraced(function* (exchange: Exchange) {
      const { client, limits } = exchange
      const allowed = limiter.allow(client.limiterKey)
      limits.tell("login", limiter.standing(client.limiterKey))
      if (!allowed) {
        count("limited")
        talkers.refused("login", client.address)
        const reply = yield* loginForm(exchange, 429, "Too many attempts. Wait half a minute.")
        const wait = String(limiter.retryAfter(client.limiterKey))
        return { ...reply, headers: { ...reply.headers, "Retry-After": wait } }
      }
      const fields = yield* Form.read(exchange)
      const visitor = yield* sessionOf(exchange)
      if (
        visitor === undefined ||
        isForeign(exchange) ||
        !sessions.isFormToken(visitor, fields.get("form"))
      )
        return outdated
      const network = reduce(client.address, "network") ?? "an unknown network"
      if (!isToken(Buffer.from(fields.get("token"), "utf8"))) {
        count("wrong")
        yield* Effect.logWarning(`a sign-in to the dashboard from ${network} had the wrong token`)
        return yield* loginForm(exchange, 401, "That is not the operator token.")
      }
      count("ok")
      limiter.forget(client.limiterKey)
      yield* Effect.logInfo(`the operator signed in to the dashboard from ${network}`)
      return AdminReply.seeOther(
        "/admin",
        opened(exchange, sessions.open("operator", yield* UnixTime.now))
      )
    })

    const visit = (exchange: Exchange, session: OperatorSession.Session): Visit => ({
      exchange,
      formToken: sessions.formToken(session)
    })

    const guarded =
      (absent: Handled) =>
      (show: (visit: Visit) => Handled) =>
      (exchange: Exchange): Handled =>
        Effect.flatMap(sessionOf(exchange), (session) =>
          session?.kind === "operator" ? show(visit(exchange, session)) : absent
        )

    const action: Gate["action"] = (act) => (exchange) =>
      Effect.gen(function* () {
        const session = yield* sessionOf(exchange)
        if (session?.kind !== "operator") return AdminReply.seeOther(loginPath)
        const fields = yield* Form.read(exchange)
        if (isForeign(exchange) || !sessions.isFormToken(session, fields.get("form")))
          return outdated
        return yield* act(visit(exchange, session), fields)
      })

    const gate: Gate = {
      login: (exchange) =>
        exchange.method === "POST"
          ? attempt(exchange)
          : Effect.flatMap(sessionOf(exchange), (session) =>
              session?.kind === "operator"
                ? Effect.succeed(AdminReply.seeOther("/admin"))
                : loginForm(exchange, 200, "")
            ),
      logout: action(({ exchange }) =>
        Effect.gen(function* () {
          const now = yield* UnixTime.now
          const session = sessions.read(cookieIn(exchange), now)
          if (session !== undefined) sessions.end(session, now)
          return AdminReply.seeOther(loginPath, cookie(exchange, "", 0))
        })
      ),
      page: guarded(Effect.succeed(AdminReply.seeOther(loginPath))),
      data: guarded(Effect.fail(Refusal.unauthorized)),
      action
    }
    return gate
  }).pipe(Effect.annotateLogs({ logger: "dmp.server.http_api" }))
