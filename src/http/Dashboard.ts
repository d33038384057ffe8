/** The operator's pages, if the node has them: `http/admin/Admin` provides the routes. */
import { Context } from "effect"
import type { Route } from "./Route.ts"

export class Dashboard extends Context.Reference<Dashboard>()("dnsmesh/http/Dashboard", {
  defaultValue: (): ReadonlyArray<Route> => []
}) {}
