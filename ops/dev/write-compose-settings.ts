// Writes the names of all settings into docker-compose.yml, which hands them to the container.
// Run it after adding a setting; test/ops/Compose.test.ts tells when that was forgotten.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { namesOf } from "../../src/runtime/Setting.ts"
import * as Settings from "../../src/Settings.ts"

const file = fileURLToPath(new URL("../../docker-compose.yml", import.meta.url))
const compose = readFileSync(file, "utf8")
const [start, end] = ["      # everything else", "\nvolumes:\n"]
const from = compose.indexOf("\n", compose.indexOf(start)) + 1
const to = compose.indexOf(end)
const fixed = /^DMP_(DB_PATH|(DNS|HTTP)_(HOST|PORT))$/
const names = Settings.all
  .flatMap((setting) =>
    namesOf(setting).flatMap((name) => (setting.inFile ? [name, `${name}_FILE`] : [name]))
  )
  .filter((name) => !fixed.test(name))

writeFileSync(
  file,
  compose.slice(0, from) +
    [...new Set(names)].map((name) => `      ${name}:\n`).join("") +
    compose.slice(to)
)
