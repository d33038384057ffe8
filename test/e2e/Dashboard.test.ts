/**
 * The operator's pages in a real browser, over the built node. With DNSMESH_SCREENSHOTS=1 the
 * pictures of docs/dashboard.md are taken anew.
 */
import { createHmac } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { eventually } from "../fixtures/Tools.ts"
import {
  browsing,
  busy,
  environment,
  issueToken,
  issueTsigKey,
  originOf,
  overflow,
  phone,
  promise,
  sections,
  signedIn,
  signIn,
  token
} from "./AdminPages.ts"
import { hasBrowser, visit } from "./Browser.ts"
import { directory, publish, request, start } from "./NodeProcess.ts"

const images = join(import.meta.dirname, "../../docs/images")
const takesPictures = process.env["DNSMESH_SCREENSHOTS"] === "1"

const picture = (page: Page, name: string) =>
  promise(async () => {
    if (!takesPictures) return
    mkdirSync(images, { recursive: true })
    await page.screenshot({ path: join(images, `${name}.png`), fullPage: false })
  })

describe.skipIf(!hasBrowser())("the dashboard in a browser", () => {
  it.scopedLive(
    "opens with the operator token alone, and stays shut after signing out",
    () =>
      Effect.gen(function* () {
        const { complaints, context, node, origin, page } = yield* browsing()
        yield* signIn(page, origin, "not the token")
        assert.include(
          yield* promise(() => page.getByRole("alert").innerText()),
          "not the operator"
        )
        assert.strictEqual(page.url(), `${origin}/admin/login`)
        yield* picture(page, "dashboard-login")

        yield* signIn(page, origin)
        assert.strictEqual(page.url(), `${origin}/admin`)
        const [cookie] = yield* promise(() => context.cookies())
        assert.deepInclude(cookie, { httpOnly: true, sameSite: "Strict", secure: false })
        assert.isAtMost(cookie!.expires, Date.now() / 1000 + 28_801)

        yield* promise(async () => {
          await page.getByRole("button", { name: "Sign out" }).click()
          await page.waitForURL("**/admin/login")
        })
        // The cookie of before is no way back in.
        const again = yield* request(node, "/admin/live.json", {
          headers: { cookie: `${cookie!.name}=${cookie!.value}` }
        })
        assert.strictEqual(again.status, 401)
        assert.deepStrictEqual(complaints, [])
      }),
    120_000
  )

  it.scopedLive(
    "issues a token that works at once and revokes it, and a TSIG key too",
    () =>
      Effect.gen(function* () {
        const { complaints, node, page } = yield* signedIn()
        const secret = yield* promise(async () => {
          await page.getByRole("link", { name: "Users" }).click()
          await issueToken(page, "alice@mesh.test")
          return page.locator("#issued-0").innerText()
        })
        assert.match(secret, /^dmp_v1_[A-Z2-7]{52}$/)
        yield* picture(page, "dashboard-users")
        const name = `slot-1.mb-${"a".repeat(12)}.mesh.test`
        assert.strictEqual((yield* publish(node, name, "v=1", 60, secret)).status, 201)

        page.on("dialog", (dialog) => void dialog.accept())
        yield* promise(async () => {
          await page.getByRole("link", { name: "Users" }).click()
          assert.notInclude(await page.content(), secret)
          await page.getByRole("button", { name: /^Revoke token/ }).click()
          await page.getByText("The token is revoked.").waitFor()
        })
        assert.strictEqual((yield* publish(node, name, "v=2", 60, secret)).status, 401)

        const key = yield* promise(async () => {
          await issueTsigKey(page, "bob@mesh.test")
          return page.locator("#issued-0").innerText()
        })
        assert.strictEqual(Buffer.from(key, "base64").length, 32)
        yield* promise(async () => {
          await page.getByRole("button", { name: /^Revoke key bob-/ }).click()
          await page.getByText("The key is revoked.").waitFor()
          await page.getByRole("link", { name: "Audit" }).click()
          assert.include(await page.content(), "alice@mesh.test")
          // What is wrong is said, and nothing is issued.
          await page.getByRole("link", { name: "Users" }).click()
          await issueToken(page, "no subject")
          assert.include(await page.getByRole("alert").innerText(), "subject")
        })
        assert.deepStrictEqual(complaints, [])
      }),
    120_000
  )

  it.scopedLive(
    "takes a form from its own pages only",
    () =>
      Effect.gen(function* () {
        const { context, node, page } = yield* signedIn()
        const [cookie] = yield* promise(() => context.cookies())
        const form = yield* promise(() => page.locator('input[name="form"]').first().inputValue())
        const post = (body: Record<string, string>, headers: Record<string, string> = {}) =>
          request(node, "/admin/tokens/issue", {
            method: "POST",
            redirect: "manual",
            headers: { cookie: `${cookie!.name}=${cookie!.value}`, ...headers },
            body: new URLSearchParams({ subject: "eve@mesh.test", rate: "1", burst: "1", ...body })
          })
        assert.strictEqual((yield* post({})).status, 403)
        assert.strictEqual((yield* post({ form: "x".repeat(43) })).status, 403)
        assert.strictEqual((yield* post({ form }, { "sec-fetch-site": "cross-site" })).status, 403)
        assert.strictEqual((yield* post({ form }, { cookie: "" })).status, 303)
        assert.strictEqual(
          (yield* post({ form }, { "content-type": "text/plain" })).status,
          415,
          "a form that a foreign page could send as text"
        )
        const forged = `operator.${"A".repeat(22)}.9999999999.${createHmac("sha256", "x").update("y").digest("base64url")}`
        assert.strictEqual(
          (yield* post({ form }, { cookie: `${cookie!.name}=${forged}` })).status,
          303
        )
        const audit = yield* request(node, "/admin/users", {
          headers: { cookie: `${cookie!.name}=${cookie!.value}` }
        })
        assert.notInclude(audit.body, "eve@mesh.test")
        assert.strictEqual((yield* post({ form })).status, 200)
      }),
    120_000
  )

  it.scopedLive(
    "fits a phone, is readable in the dark, and asks nothing of strangers",
    () =>
      Effect.gen(function* () {
        const node = yield* start(environment(yield* directory))
        const origin = originOf(node)
        yield* busy(node)
        for (const colorScheme of ["light", "dark"] as const) {
          const { complaints, page } = yield* visit(origin, {
            colorScheme,
            viewport: { width: 1280, height: 900 }
          })
          yield* signIn(page, origin)
          yield* promise(() => page.waitForTimeout(takesPictures ? 21_000 : 500))
          yield* picture(page, `dashboard-${colorScheme}`)
          const ground = yield* promise(() =>
            page.evaluate<string>("getComputedStyle(document.body).backgroundColor")
          )
          const [red = 0] = (/\d+/.exec(ground) ?? []).map(Number)
          assert.strictEqual(red > 128, colorScheme === "light", ground)
          yield* promise(() => page.setViewportSize(phone))
          for (const section of sections) {
            yield* promise(() => page.goto(`${origin}/admin${section}`))
            assert.strictEqual(yield* overflow(page), 0, `${section} is wider than a phone`)
            assert.strictEqual(yield* promise(() => page.locator("h1").count()), 1)
          }
          yield* promise(() => page.goto(`${origin}/admin`))
          if (colorScheme === "dark") yield* picture(page, "dashboard-phone")
          yield* promise(() => page.goto(`${origin}/`))
          assert.strictEqual(yield* overflow(page), 0, "the visitors' page")
          if (colorScheme === "light") {
            yield* promise(() => page.setViewportSize({ width: 1000, height: 860 }))
            yield* picture(page, "visitors")
          }
          assert.deepStrictEqual(complaints, [])
        }
      }),
    180_000
  )

  it.scopedLive(
    "keeps its numbers fresh by itself, and says when it cannot",
    () =>
      Effect.gen(function* () {
        const { node, page } = yield* signedIn()
        const records = page.locator('[data-live="records"]').first()
        assert.strictEqual(yield* promise(() => records.innerText()), "0")
        yield* publish(node, "a.mesh.test", "v=1", 300, token)
        yield* eventually(
          promise(async () => (await records.innerText()) === "1"),
          15
        )
        yield* Effect.sync(() => node.child.kill("SIGKILL"))
        yield* promise(() => page.getByText("No answer from the node").waitFor({ timeout: 15_000 }))
      }),
    120_000
  )

  it.scopedLive(
    "names every control, and skips to the content",
    () =>
      Effect.gen(function* () {
        const { origin, page } = yield* signedIn()
        for (const section of sections) {
          yield* promise(() => page.goto(`${origin}/admin${section}`))
          const unnamed = yield* promise(() =>
            page.evaluate(`[...document.querySelectorAll("input:not([type=hidden]), button, a, progress, svg")].filter(
            (it) => !(it.labels?.length || it.ariaLabel || it.getAttribute("aria-label") || it.textContent.trim())
          ).map((it) => it.outerHTML)`)
          )
          assert.deepStrictEqual(unnamed, [], section)
          const captions = yield* promise(() =>
            page.evaluate(
              `[...document.querySelectorAll("table")].filter((it) => !it.caption).length`
            )
          )
          assert.strictEqual(captions, 0)
        }
        yield* promise(() => page.keyboard.press("Tab"))
        assert.strictEqual(
          yield* promise(() => page.evaluate("document.activeElement.textContent")),
          "Skip to content"
        )
      }),
    120_000
  )
})

describe("the dashboard from outside", () => {
  it.scopedLive("is not there without an operator token", () =>
    Effect.gen(function* () {
      const node = yield* start({ DMP_DB_PATH: join(yield* directory, "dmp.db") })
      for (const path of ["/admin", "/admin/login", "/admin/live.json", "/admin/app.js"])
        assert.strictEqual((yield* request(node, path)).status, 404, path)
    })
  )

  it.scopedLive(
    "lets nobody guess, marks its cookie behind TLS, and runs its own script only",
    () =>
      Effect.gen(function* () {
        const node = yield* start(environment(yield* directory))
        const login = (headers: Record<string, string> = {}) =>
          request(node, "/admin/login", { headers })
        const page = yield* login()
        const csp = page.headers.get("content-security-policy") ?? ""
        assert.match(csp, /default-src 'none'.*script-src 'self'/)
        assert.notMatch(csp, /unsafe|\*|https?:/)
        assert.notMatch(page.body, /<script(?! src="\/admin\/app\.js)|\son[a-z]+=|style=/)
        assert.notMatch(page.headers.get("set-cookie") ?? "", /Secure/)
        assert.match(
          (yield* login({ "x-forwarded-proto": "https" })).headers.get("set-cookie") ?? "",
          /; Secure$/
        )

        const cookie = (page.headers.get("set-cookie") ?? "").split(";")[0] ?? ""
        const form = /name="form" value="([^"]+)"/.exec(page.body)?.[1] ?? ""
        const attempt = (from: string, secret: string) =>
          request(node, "/admin/login", {
            method: "POST",
            redirect: "manual",
            headers: { cookie, "x-real-ip": from },
            body: new URLSearchParams({ form, token: secret })
          })
        const statuses: Array<number> = []
        for (let i = 0; i < 7; i++)
          statuses.push((yield* attempt("192.0.2.1", `guess ${i}`)).status)
        assert.deepStrictEqual(statuses, [401, 401, 401, 401, 401, 429, 429])
        assert.strictEqual((yield* attempt("192.0.2.1", token)).status, 429)
        assert.strictEqual((yield* attempt("192.0.2.2", token)).status, 303)
        assert.notInclude(node.output(), "192.0.2.1")
        assert.notInclude(node.output(), "guess")
      })
  )
})
