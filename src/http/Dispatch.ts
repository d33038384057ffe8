/** Which route a method and path belong to. Pure: 404 and 405 are decided here for both kinds of route. */
import type { HttpApi } from "@effect/platform"
import { HttpApi as Reflection } from "@effect/platform"
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
export const apiRoutes = (api: HttpApi.HttpApi.Any): ReadonlyArray<ApiRoute> => {
  const methods = new Map<string, Array<string>>()
  Reflection.reflect(api as never, {
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
