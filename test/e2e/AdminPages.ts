/** The operator's pages as the tests reach them: a node with something to show, and the way in. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { run } from "../fixtures/Tools.ts"
import { type Options, visit } from "./Browser.ts"
import { directory, type NodeProcess, publish, start } from "./NodeProcess.ts"

export const token = "operator-token-for-the-dashboard-test"
export const phone = { width: 360, height: 740 }

export const promise = <A>(make: () => Promise<A>): Effect.Effect<A> => Effect.promise(make)

export const environment = (dir: string) => ({
  DMP_DB_PATH: join(dir, "dmp.db"),
  DMP_BACKUP_DIR: join(dir, "backups"),
  DMP_OPERATOR_TOKEN: token,
  DMP_AUTH_MODE: "multi-tenant",
  DMP_REGISTRATION_ENABLED: "1",
  DMP_NODE_HOSTNAME: "node.mesh.test",
  DMP_DNS_UPDATE_ENABLED: "1",
  DMP_DNS_RATE: "50",
  DMP_HTTP_RATE: "0",
  DMP_RECORD_VALIDATION: "off"
})

export const signIn = (page: Page, origin: string, secret = token) =>
  promise(async () => {
    await page.goto(`${origin}/admin`)
    await page.getByLabel("Operator token").fill(secret)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.waitForLoadState()
  })

/** The forms of the page of users, opened, filled and sent. */
export const issueToken = async (page: Page, subject: string): Promise<void> => {
  await page.getByText("Issue a token").click()
  await page.getByLabel("Subject", { exact: true }).first().fill(subject)
  await page.getByRole("button", { name: "Issue token" }).click()
}
export const issueTsigKey = async (page: Page, subject: string): Promise<void> => {
  await page.getByText("Issue a TSIG key").click()
  await page.locator("#tsig-subject").fill(subject)
  await page.locator("#tsig-spk").fill("b".repeat(64))
  await page.getByRole("button", { name: "Issue TSIG key" }).click()
}

export const originOf = (node: NodeProcess) => `http://127.0.0.1:${node.http}`

/** No page may be wider than its screen. */
export const overflow = (page: Page) =>
  promise(() =>
    page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
  )

export const sections = ["", "/users", "/refusals", "/peers", "/backups", "/settings", "/audit"]

/** Something to look at: records of several kinds and lives, queries, refusals. */
export const busy = (node: NodeProcess) =>
  Effect.gen(function* () {
    const hex = (text: string, digits: number) =>
      createHash("sha256").update(text).digest("hex").slice(0, digits)
    const kinds = ["identity", "prekey", "manifest", "chunk", "chunk", "chunk"]
    for (let i = 0; i < 120; i++) {
      const kind = kinds[i % kinds.length] ?? "chunk"
      const name = `chunk-${String(i).padStart(4, "0")}-${hex(String(i), 12)}.mesh.test`
      const value = `v=dmp1;t=${kind};d=${hex(String(i), 40).repeat(2)}`
      const ttl = [300, 3000, 20_000, 80_000][i % 4] ?? 300
      assert.strictEqual((yield* publish(node, name, value, ttl, token)).status, 201)
    }
    const ask = (name: string) =>
      run("dig", ["-p", String(node.dns), "+tries=1", "+time=1", "@127.0.0.1", name, "TXT"])
    yield* Effect.forEach(
      Array.from({ length: 60 }, (_, i) => i),
      (i) => ask(`chunk-${String(i).padStart(4, "0")}-${hex(String(i), 12)}.mesh.test`),
      { concurrency: 8, discard: true }
    )
    yield* ask("nobody.mesh.test")
  })

/** A node of its own, and a browser that has yet to open one of its pages. */
export const browsing = (options?: Options) =>
  Effect.gen(function* () {
    const node = yield* start(environment(yield* directory))
    const origin = originOf(node)
    return { node, origin, ...(yield* visit(origin, options)) }
  })

/** As `browsing`, with the operator signed in. */
export const signedIn = (options?: Options) =>
  Effect.tap(browsing(options), ({ origin, page }) => signIn(page, origin))
