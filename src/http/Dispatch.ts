/** Which route a method and path belong to. Pure: 404 and 405 are decided here for both kinds of route. */
import { HttpApi, type HttpApiGroup } from "@effect/platform"
import type { Method, Route } from "./Route.ts"

/** An endpoint behind the platform's router. */
export interface ApiRoute {
  readonly _tag: "Api"
  readonly template: string
  readonly matches: (path: string) => boolean
  readonly methods: ReadonlyArray<string>
}

export interface DirectRoute {
  readonly _tag: "Direct"
  readonly template: string
  readonly method: Method
  readonly route: Route
}

export type Target =
  | ApiRoute
  | DirectRoute
  | { readonly _tag: "NotFound" }
  | { readonly _tag: "MethodNotAllowed"; readonly template: string; readonly allow: string }

const notFound: Target = { _tag: "NotFound" }

/** The routes of `api`, one for each path. */
export const apiRoutes = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): ReadonlyArray<ApiRoute> => {
  const methods = new Map<string, Array<string>>()
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      methods.set(endpoint.path, [...(methods.get(endpoint.path) ?? []), endpoint.method])
    }
  })
  return [...methods].map(([path, allowed]) => {
    const pattern = new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/:[^/]+/g, "[^/]+")}$`)
    return {
      _tag: "Api",
      template: path.replace(/:([^/]+)/g, "{$1}"),
      matches: (candidate) => pattern.test(candidate),
      methods: allowed
    }
  })
}

const allow = (methods: ReadonlyArray<string>): string =>
  methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ")

/** A request target as path and query; the absolute form (RFC 9112 §3.2.2) loses its authority. */
export const split = (target: string): { readonly path: string; readonly query: string } => {
  const local = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]*/i, "")
  const at = local.indexOf("?")
  return at < 0 ? { path: local, query: "" } : { path: local.slice(0, at), query: local.slice(at) }
}

/** HEAD goes where GET goes. */
export const make =
  (api: ReadonlyArray<ApiRoute>, direct: ReadonlyArray<Route>) =>
  (method: string, path: string): Target => {
    const wanted = method === "HEAD" ? "GET" : method
    for (const route of direct) {
      if (!route.matches(path)) continue
      const served = route.methods.find((candidate) => candidate === wanted)
      return served === undefined
        ? { _tag: "MethodNotAllowed", template: route.template, allow: allow(route.methods) }
        : { _tag: "Direct", template: route.template, method: served, route }
    }
    for (const route of api) {
      if (!route.matches(path)) continue
      return route.methods.includes(wanted)
        ? route
        : { _tag: "MethodNotAllowed", template: route.template, allow: allow(route.methods) }
    }
    return notFound
  }
