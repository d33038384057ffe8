// Packs src/ into one module for each thread of the node: `node ops/dev/bundle.mjs OUTDIR`.
// A node that loads its libraries module by module takes several times as long to start and
// twice the memory (bench/memory.ts); only the native SQLite binding stays outside.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The executable, in parts, and what runs on threads and in processes of its own; all end up side by side. */
const entries = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file === "main.ts" || /(Thread|Process)Main\.ts$/.test(file))
  .sort()
  .map((file) => join(root, "src", file))

/** Packages whose main module re-exports their modules, each as a namespace. */
const barrels = ["effect", "@effect/experimental", "@effect/platform", "@effect/platform-node"]
  .concat(["@effect/sql", "@effect/sql-sqlite-node"])
  .map((name) => ({ name, modules: join(root, "node_modules", name, "dist", "esm") }))

/** `import { A, b } from "effect"` as imports of the modules that have them. */
const direct = (source) =>
  source.replace(/^import \{([^}]*)\} from "([^"]+)";?$/gm, (statement, names, from) => {
    const barrel = barrels.find(({ name }) => name === from)
    if (barrel === undefined) return statement
    const imports = names
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "" && !part.startsWith("type "))
      .map((part) => {
        const [name, local = name] = part.split(/\s+as\s+/)
        return existsSync(join(barrel.modules, `${name}.js`))
          ? `import * as ${local} from "${from}/${name}";`
          : // The few that are no namespaces; those of other modules would not resolve.
            `import { ${name} as ${local} } from "${from}/Function";`
      })
    // Lines keep their numbers.
    return imports.join(" ") + statement.replace(/[^\n]/g, "")
  })

// A namespace that comes by way of the main module is kept whole by the bundler, and with it all
// that nobody calls: half of Effect, and the HTTP and WebSocket clients of its Node package.
const withoutBarrels = {
  name: "without-barrels",
  setup(bundle) {
    bundle.onLoad(
      { filter: /\/src\/.*\.ts$|\/@effect\/[^/]+\/dist\/esm\/.*\.js$/ },
      ({ path }) => ({
        contents: direct(readFileSync(path, "utf8")),
        loader: path.endsWith(".ts") ? "ts" : "js"
      })
    )
  }
}

// The Node package's HTTP server names a WebSocket server that we do not start. It is CommonJS,
// which a bundler keeps unless it is told that loading it has no effect of its own.
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

// Modules of Node's that are loaded when one of their members is first used. An `import` of HTTP
// asks for all it has, a WebSocket client among them, and 13 MB come with that; TLS reads every
// certificate authority there is, on a thread of its own. Most nodes never use either.
const lazyBuiltins = {
  name: "lazy-builtins",
  setup(bundle) {
    const filter = /^(node:)?(http|https|tls|zlib|readline|child_process|repl|inspector)$/
    bundle.onResolve({ filter }, ({ path }) => ({ path, namespace: "builtin" }))
    bundle.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: Object.keys(process.getBuiltinModule(path))
        .map((name) => `get ${name}() { return process.getBuiltinModule("${path}").${name} }`)
        .join(",\n")
        .replace(/^/, "module.exports = {\n")
        .concat("\n}")
    }))
  }
}

const options = {
  absWorkingDir: root,
  entryNames: "[name]",
  outdir: process.argv[2],
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  external: ["better-sqlite3"],
  plugins: [withoutBarrels, unusedClients, lazyBuiltins],
  // Libraries in CommonJS expect to find `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  },
  minifySyntax: true,
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "none",
  logLevel: "warning"
}

// Each by itself: what two of them share would be kept whole for the one that needs the least.
for (const entry of entries) {
  const splitting = entry.endsWith("/main.ts")
  await build({ ...options, entryPoints: [entry], splitting })
}
