// Packs src/ into one module for each thread of the node: `node ops/dev/bundle.mjs OUTDIR`.
// A node that loads its libraries module by module takes several times as long to start and
// twice the memory (bench/memory.ts); only the native SQLite binding stays outside.
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The executable, and what runs on threads of its own; all end up side by side. */
const entries = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file === "main.ts" || file.endsWith("ThreadMain.ts"))
  .sort()
  .map((file) => join(root, "src", file))

// The platform package re-exports HTTP and WebSocket clients that nothing here imports. They are
// CommonJS, which a bundler keeps unless it is told that loading them has no effect of its own.
const unusedClients = {
  name: "unused-clients",
  setup(bundle) {
    bundle.onResolve({ filter: /^(undici|ws)$/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === "resolving") return undefined
      const found = await bundle.resolve(path, { ...from, pluginData: "resolving" })
      return { ...found, sideEffects: false }
    })
  }
}

await build({
  absWorkingDir: root,
  entryPoints: entries,
  entryNames: "[name]",
  outdir: process.argv[2],
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node24",
  external: ["better-sqlite3"],
  plugins: [unusedClients],
  // Libraries in CommonJS expect to find `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  },
  minifySyntax: true,
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "none",
  logLevel: "warning"
})
