/** A real browser, without its own traffic, for as long as the scope lives. */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { chromium, type BrowserContext, type Page } from "playwright-core"

const executablePath = "/usr/bin/chromium"

/** True when there is a browser; says so on stderr when not. */
export const hasBrowser = (): boolean => {
  const found = existsSync(executablePath)
  if (!found) console.error(`SKIPPED: not installed: chromium (${executablePath})`)
  return found
}

const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

export interface Visit {
  readonly page: Page
  readonly context: BrowserContext
  /** What the pages complained of, and requests to elsewhere than `origin`. */
  readonly complaints: ReadonlyArray<string>
}

export type Options = Omit<
  NonNullable<Parameters<typeof chromium.launchPersistentContext>[1]>,
  "args"
>

/** A fresh profile; every request and every console message of its pages is watched. */
export const visit = (
  origin: string,
  options: Options = {}
): Effect.Effect<Visit, never, Scope.Scope> =>
  Effect.gen(function* () {
    const profile = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "dnsmesh-browser-"))),
      (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
    )
    const context = yield* Effect.acquireRelease(
      Effect.promise(() =>
        chromium.launchPersistentContext(profile, { executablePath, args, ...options })
      ),
      (opened) => Effect.promise(() => opened.close())
    )
    const complaints: Array<string> = []
    const watch = (page: Page) => {
      page.on("console", (message) => {
        // A refusal that a test provokes is not the page's complaint.
        if (
          ["error", "warning"].includes(message.type()) &&
          !message.text().startsWith("Failed to load resource")
        )
          complaints.push(message.text())
      })
      page.on("pageerror", (error) => complaints.push(error.message))
    }
    context.on("request", (request) => {
      const url = request.url()
      if (!url.startsWith(`${origin}/`) && !url.startsWith("data:"))
        complaints.push(`asked for ${url}`)
    })
    context.on("page", watch)
    const page = context.pages()[0] ?? (yield* Effect.promise(() => context.newPage()))
    watch(page)
    return { page, context, complaints }
  })
