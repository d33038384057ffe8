/**
 * The executable. Invariant: what it runs is imported only after V8 knows where it may find, and
 * leave, what it compiles of it, which is a tenth of a start.
 */
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"

// Beside the build and gone with it. Where that cannot be written, as in the image, which has it
// from its own build, or where it belongs to another user, a start compiles and nothing is said.
if (import.meta.url.endsWith(".js") && process.env["NODE_COMPILE_CACHE"] === undefined) {
  const compiled = fileURLToPath(new URL("./compiled", import.meta.url))
  enableCompileCache(compiled)
  // For the threads, which do not inherit it.
  process.env["NODE_COMPILE_CACHE"] = compiled
}

await import("./cli/program.ts")
