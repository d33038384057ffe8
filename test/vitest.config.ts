import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["test/**/*.test.ts"],
    silent: "passed-only",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    env: { TZ: "UTC" },
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text-summary", "html"] }
  }
})
