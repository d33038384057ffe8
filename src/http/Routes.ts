/** Every route outside the platform's router, in order of matching. A new one is listed here. */
import { Effect } from "effect"
import * as AccountHttp from "./AccountHttp.ts"
import * as BatchHttp from "./BatchHttp.ts"
import * as CredentialsHttp from "./CredentialsHttp.ts"
import { Dashboard } from "./Dashboard.ts"
import * as DnsQueryHttp from "./DnsQueryHttp.ts"
import * as LegacyHttp from "./LegacyHttp.ts"
import * as Pages from "./Pages.ts"
import * as RecordsHttp from "./RecordsHttp.ts"
import * as RegistrationHttp from "./RegistrationHttp.ts"
import type { Route } from "./Route.ts"
import * as SyncHttp from "./SyncHttp.ts"

/** Needs the services of all of them. */
export const routes = Effect.all([
  RecordsHttp.route,
  BatchHttp.route,
  DnsQueryHttp.routes,
  RegistrationHttp.routes,
  AccountHttp.routes,
  CredentialsHttp.routes,
  SyncHttp.publicRoutes,
  LegacyHttp.routes,
  Pages.routes,
  Dashboard
]).pipe(Effect.map((all): ReadonlyArray<Route> => all.flat()))
