/** Which build this is. The build script leaves `build.json` beside the compiled modules. */
import { existsSync, readFileSync } from "node:fs"
import { Schema } from "effect"

const read = <A, I>(file: URL, schema: Schema.Schema<A, I>): A =>
  Schema.decodeSync(Schema.parseJson(schema))(readFileSync(file, "utf8"))

const stamp = new URL("./build.json", import.meta.url)

export const build = {
  version: read(
    new URL("../package.json", import.meta.url),
    Schema.Struct({ version: Schema.String })
  ).version,
  /** Short commit hash, or `unknown` outside a build from a checkout. */
  commit: existsSync(stamp)
    ? read(stamp, Schema.Struct({ commit: Schema.String })).commit
    : "unknown"
}
