/** Writes docs/configuration.md from the settings: `node ops/dev/write-config-reference.ts`. */
import { writeFileSync } from "node:fs"
import { page } from "../../src/cli/ConfigReference.ts"

writeFileSync(new URL("../../docs/configuration.md", import.meta.url), page())
