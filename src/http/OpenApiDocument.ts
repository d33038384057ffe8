/** The OpenAPI 3.1 document of the whole interface, generated from the schemas that decode requests. */
import { OpenApi } from "@effect/platform"
import { Api } from "./Api.ts"

export const document: OpenApi.OpenAPISpec = OpenApi.fromApi(Api)
