/** The OpenAPI 3.1 document of the whole interface, generated from the schemas that decode requests. */
import { OpenApi } from "@effect/platform"
import { Api } from "./Api.ts"

/** Made anew each time: most nodes are never asked for it. */
export const document = (): OpenApi.OpenAPISpec => OpenApi.fromApi(Api)
