import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { settings } from "../../src/dns/DnsConfig.ts"
import { page } from "../../src/http/ApiReference.ts"
import { document } from "../../src/http/OpenApiDocument.ts"

describe("docs/http-api.md", () => {
  const written = readFileSync(join(import.meta.dirname, "../../docs/http-api.md"), "utf8")

  it("is what the description says; else run node ops/dev/write-api-reference.ts", () =>
    assert.strictEqual(written, page(document())))

  it("names the limits that DNS has by default", () => {
    const { burst, rate } = settings
    assert.include(written, `${rate.defaultText} a second, ${burst.defaultText} at once`)
  })

  it("has every operation and every schema, and no link to nowhere", () => {
    for (const [path, item] of Object.entries(document().paths))
      for (const method of Object.keys(item))
        assert.include(written, `### ${method.toUpperCase()} ${path}\n`)
    const headings = new Set(
      [...written.matchAll(/^### (.+)$/gm)].map(([, title]) => title!.toLowerCase())
    )
    for (const [, anchor] of written.matchAll(/\]\(#([^)]+)\)/g))
      assert.isTrue(headings.has(anchor!), anchor)
  })
})
