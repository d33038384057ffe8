/**
 * The whole HTTP interface, described once: the OpenAPI document, the API page and the
 * table of paths and methods all come from here.
 *
 * To add endpoints: describe them as an `HttpApiGroup` in `XApi.ts`. If the platform's
 * router may serve them, add the group to `ServedApi` and its handlers
 * (`HttpApiBuilder.group(ServedApi, …)`) to `ApiApp.handlers`; `ApiRequest.exchangeOf` gives
 * such a handler the client's address and the request id. If they read bodies, are hot, or
 * are no JSON, add the group to `Api` only, and serve it by `Route`s: build them as an
 * effect and list that effect in `Routes.ts`. Paths without a description are `Route`s too.
 */
import { HttpApi, OpenApi } from "@effect/platform"
import { AccountApi } from "./AccountApi.ts"
import { CredentialsApi } from "./CredentialsApi.ts"
import { OpsApi } from "./OpsApi.ts"
import { RecordsApi } from "./RecordsApi.ts"
import { RegistrationApi } from "./RegistrationApi.ts"

/** Groups behind the platform's router. */
export class ServedApi extends HttpApi.make("served").add(OpsApi) {}

/** Every described group. */
export class Api extends HttpApi.make("dnsmesh-node")
  .add(RecordsApi)
  .add(RegistrationApi)
  .add(AccountApi)
  .add(CredentialsApi)
  .addHttpApi(ServedApi)
  .annotate(OpenApi.Title, "dnsmesh-node")
  .annotate(OpenApi.Version, "1")
  .annotate(
    OpenApi.Description,
    "A node of the DNS Mesh Protocol: TXT records in over HTTP, out over DNS."
  ) {}
