/** The pages for people who do not see or point as others do: axe-core in a real browser, and no mouse. */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Page } from "playwright-core"
import {
  browsing,
  busy,
  issueToken,
  issueTsigKey,
  phone,
  promise,
  sections,
  signedIn,
  signIn,
  token
} from "./AdminPages.ts"
import { hasBrowser } from "./Browser.ts"
import { publish, request } from "./NodeProcess.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const Violations = Schema.Array(Schema.String)

/** What axe-core finds wrong on the page as it is now: its rules, best practices included. */
const wrong = (page: Page) =>
  promise(async () => {
    // Scripts of others are kept out by the policy; the debugger's are not.
    await page.evaluate(axe)
    return Schema.decodeUnknownSync(Violations)(
      await page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map((it) => id + ": " + it.html.slice(0, 200))))`)
    )
  })

const focused = (page: Page) =>
  promise(() =>
    page.evaluate<string>(
      "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
    )
  )

/** Presses Tab until what has the focus is called `name`. */
const tabTo = (page: Page, name: string) =>
  Effect.gen(function* () {
    for (let presses = 0; presses < 80; presses++) {
      yield* promise(() => page.keyboard.press("Tab"))
      if ((yield* focused(page)) === name) return
    }
    assert.fail(`${name} is not reached by Tab`)
  })

const press = (page: Page, key: string) => promise(() => page.keyboard.press(key))
const type = (page: Page, text: string) => promise(() => page.keyboard.type(text))

describe.skipIf(!hasBrowser())("the pages", () => {
  for (const colorScheme of ["light", "dark"] as const)
    it.scopedLive(
      `break no rule of accessibility that axe-core knows, in the ${colorScheme}, wide and narrow`,
      () =>
        Effect.gen(function* () {
          const { node, origin, page } = yield* browsing({ colorScheme })
          yield* busy(node)
          const faults: Array<string> = []
          const look = (name: string) =>
            Effect.map(wrong(page), (found) => faults.push(...found.map((it) => `${name}: ${it}`)))
          yield* promise(() => page.goto(`${origin}/`))
          yield* look("visitors")
          yield* signIn(page, origin, "a wrong one")
          yield* look("sign-in")
          yield* signIn(page, origin)
          yield* promise(async () => {
            await page.goto(`${origin}/admin/users`)
            await issueTsigKey(page, "bob@mesh.test")
            await issueToken(page, "alice@mesh.test")
          })
          yield* look("issued")
          for (const viewport of [{ width: 1280, height: 900 }, phone])
            for (const section of sections) {
              yield* promise(() => page.setViewportSize(viewport))
              yield* promise(() => page.goto(`${origin}/admin${section}`))
              yield* promise(() =>
                page.evaluate(
                  "document.querySelectorAll('details').forEach((it) => (it.open = true))"
                )
              )
              yield* look(`${section} at ${viewport.width}`)
            }
          assert.deepStrictEqual(faults, [])
        }),
      180_000
    )

  it.scopedLive(
    "take no mouse to sign in, issue a token, revoke it and sign out, and show where one is",
    () =>
      Effect.gen(function* () {
        const { node, origin, page } = yield* browsing()
        yield* promise(() => page.goto(`${origin}/admin`))
        yield* tabTo(page, "Operator token")
        yield* type(page, token)
        yield* press(page, "Enter")
        yield* promise(() => page.waitForURL(`${origin}/admin`))

        yield* tabTo(page, "Users")
        const outline = yield* promise(() =>
          page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle")
        )
        assert.notStrictEqual(outline, "none")
        yield* press(page, "Enter")
        yield* promise(() => page.waitForURL("**/admin/users"))
        yield* tabTo(page, "Issue a token")
        yield* press(page, "Enter")
        yield* tabTo(page, "Subject")
        yield* type(page, "alice@mesh.test")
        yield* press(page, "Enter")
        const secret = yield* promise(() => page.locator("#issued-0").innerText())
        const name = `slot-1.mb-${"a".repeat(12)}.mesh.test`
        assert.strictEqual((yield* publish(node, name, "v=1", 60, secret)).status, 201)

        page.on("dialog", (dialog) => void dialog.accept())
        yield* tabTo(page, "Users")
        yield* press(page, "Enter")
        yield* promise(() => page.waitForURL("**/admin/users"))
        yield* tabTo(page, "Revoke")
        yield* press(page, "Enter")
        yield* promise(() => page.getByText("The token is revoked.").waitFor())
        assert.strictEqual((yield* publish(node, name, "v=2", 60, secret)).status, 401)
        yield* tabTo(page, "Sign out")
        yield* press(page, "Enter")
        yield* promise(() => page.waitForURL("**/admin/login"))
      }),
    120_000
  )

  it.scopedLive(
    "work without their script",
    () =>
      Effect.gen(function* () {
        const { node, page } = yield* signedIn({ javaScriptEnabled: false })
        yield* publish(node, "a.mesh.test", "v=1", 300, token)
        yield* promise(() => page.reload())
        assert.strictEqual(
          yield* promise(() => page.locator('[data-live="records"]').first().innerText()),
          "1"
        )
        assert.strictEqual((yield* request(node, "/admin/app.js")).status, 200)
      }),
    120_000
  )
})
