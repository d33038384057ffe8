/** Writes docs/http-api.md from the API's description: `node ops/dev/write-api-reference.ts`. */
import { writeFileSync } from "node:fs"
import { page } from "../../src/http/ApiReference.ts"
import { document } from "../../src/http/OpenApiDocument.ts"

writeFileSync(new URL("../../docs/http-api.md", import.meta.url), page(document()))
