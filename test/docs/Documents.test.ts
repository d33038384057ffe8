/** What the documents promise about each other and about the program. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { parse } from "yaml"
import { executable } from "../e2e/NodeProcess.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => readFileSync(join(root, path), "utf8")
const pages = [
  "README.md",
  "SECURITY.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

/** A heading's anchor, as GitHub makes it. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-")

const anchors = (page: string): ReadonlyArray<string> =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchor(heading))

/** Links to files of ours, as paths from the root, with the part after `#`. */
const links = (page: string) =>
  [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = "", part = ""] = target.split("#", 2)
      const path = file === "" ? page : relative(root, join(root, dirname(page), file))
      return { path, part, target }
    })

/** Every command line in the shell blocks of a page and in its text, continuations joined. */
const lines = (page: string): ReadonlyArray<string> => [
  ...[...read(page).matchAll(/`(dnsmesh-node [^`]+)`/g)].map(([, text = ""]) => text),
  ...[...read(page).matchAll(/^ *```sh[^\n]*\n([\s\S]*?)^ *```$/gm)].flatMap(([, text = ""]) =>
    text.replaceAll(/\\\n\s*/g, " ").split("\n")
  )
]

/** What a line asks of the node's program: the words after its name, up to the shell's own. */
const asked = (line: string): ReadonlyArray<ReadonlyArray<string>> => {
  const isCompose = /docker compose/.test(line)
  const spoken = line
    .replace(/(^|\s)#.*$/, "")
    // The service's name; after `exec` a program follows, after `run` the node's own words.
    .replace(/(docker compose .*?\b(?:exec|stop|restart|logs)\b(?: -T)?) dnsmesh-node/, "$1")
    .replace(/docker compose [^|;&]*?(?=\bcat\b|$)/, (text) =>
      /\b(?:exec|run)\b/.test(text) ? text : ""
    )
  return [...spoken.matchAll(/(?:^|[\s"'])dnsmesh-node(?:-admin)?((?: [^\s|;&><)"']+)*)/g)]
    .map(([, words = ""]) => words.split(" ").filter((word) => word !== "" && word !== "--"))
    .filter((words) => words.length > 0 || !isCompose)
    .filter((words) => words.length > 0)
}

const help = (): ReadonlyMap<string, string> => {
  const text = execFileSync(process.execPath, [executable, "--help"], { encoding: "utf8" })
  const commands = text.slice(text.indexOf("COMMANDS"))
  return new Map(
    [...commands.matchAll(/^ {2}- ([a-z-]+(?: [a-z-]+)?)( .*)?$/gm)].map(
      ([, name = "", usage = ""]) => [name, usage]
    )
  )
}

describe("the documents", () => {
  it("lead nowhere that is not there", () => {
    for (const page of pages)
      for (const { part, path, target } of links(page)) {
        assert.isTrue(existsSync(join(root, path)), `${page}: ${target}`)
        if (part !== "") assert.include(anchors(path), part, `${page}: ${target}`)
      }
  })

  it("can all be found from the first one", () => {
    const linked = new Set(links("README.md").map(({ path }) => path))
    for (const page of pages.slice(1))
      assert.isTrue(linked.has(page), `README.md leaves out ${page}`)
  })

  it("ask nothing of the program that it does not know", () => {
    const commands = help()
    assert.isAbove(commands.size, 20)
    let count = 0
    for (const page of pages)
      for (const line of lines(page))
        for (const words of asked(line)) {
          const [first = "", second = ""] = words
          // Of the program itself, such as --version.
          if (first.startsWith("--")) continue
          const name = commands.has(`${first} ${second}`) ? `${first} ${second}` : first
          const usage = commands.get(name)
          assert.isDefined(usage, `${page}: ${line}`)
          for (const option of words.filter((word) => word.startsWith("--")))
            if (option !== "--help") assert.include(usage, option, `${page}: ${line}`)
          count++
        }
    assert.isAbove(count, 30)
  })

  it("name files of the checkout that are in it", () => {
    for (const page of pages)
      for (const [, path = ""] of read(page).matchAll(/`((?:ops|test|src|bench|docs)\/[\w./-]+)`/g))
        assert.isTrue(existsSync(join(root, path)), `${page}: ${path}`)
  })
})

describe("the change log", () => {
  it("has a heading a release, newest first, and each line says one thing", () => {
    const text = read("CHANGELOG.md")
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading = ""]) => heading)
    assert.isNotEmpty(headings)
    for (const [at, heading] of headings.entries())
      assert.match(
        heading,
        at === 0
          ? /^Unreleased$|^\d+\.\d+\.\d+ \(?\d{4}-\d\d-\d\d\)?$/
          : /^\d+\.\d+\.\d+ \(?\d{4}-\d\d-\d\d\)?$/
      )
    for (const line of text.split("\n").filter((it) => it !== "" && !it.startsWith("#")))
      assert.match(line, /^- \S.*[^.]$/)
  })
})

describe("the collector's example", () => {
  it("has every part of its pipeline, and listens where the page sends traces", () => {
    const config = parse(read("ops/otel/collector.yaml"))
    for (const pipeline of Object.values<Record<string, ReadonlyArray<string>>>(
      config.service.pipelines
    ))
      for (const [kind, names] of Object.entries(pipeline))
        for (const name of names) assert.isDefined(config[kind]?.[name], `${kind}.${name}`)
    assert.strictEqual(config.receivers.otlp.protocols.http.endpoint, "127.0.0.1:4318")
    assert.include(
      read("ops/otel/collector.yaml"),
      "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
    )
  })
})
