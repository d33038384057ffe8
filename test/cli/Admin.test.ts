/** The operator's commands as processes: outputs, exit codes, and that a slip changes nothing. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

const folder = mkdtempSync(join(tmpdir(), "admin-"))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const freshFile = () => join(folder, `tokens-${files++}.db`)

const entry = join(folder, "entry.ts")
const here = join(import.meta.dirname, "../../src")
writeFileSync(
  entry,
  `import * as NodeContext from "${join(import.meta.dirname, "../../node_modules/@effect/platform-node/dist/esm/NodeContext.js")}"
import * as NodeRuntime from "${join(import.meta.dirname, "../../node_modules/@effect/platform-node/dist/esm/NodeRuntime.js")}"
import { Console, Effect } from "${join(import.meta.dirname, "../../node_modules/effect/dist/esm/index.js")}"
import { runAdmin } from "${here}/cli/admin.ts"
import { exitCode, explain } from "${here}/cli/ExitCode.ts"
runAdmin(process.argv, "0").pipe(
  Effect.tapErrorCause((cause) => Effect.forEach(explain(cause), (line) => Console.error(line))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: (exit, done) => done(exitCode(exit)) })
)
`
)

const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith("DMP_"))
)
interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}
const admin = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entry, ...args], {
      env: { ...clean, USER: "root", ...environment }
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
    child.once("error", reject)
    child.once("close", (status) => resolve({ status, stdout, stderr }))
  })
/** The files of a fresh node with a zone and UPDATE; `alice` are the arguments that issue a key. */
const besideNode = () => {
  const environment = {
    DMP_DB_PATH: join(mkdtempSync(join(folder, "node-")), "dmp.db"),
    DMP_TOKEN_DB_PATH: freshFile(),
    DMP_SERVED_ZONE: "example.com",
    DMP_DNS_UPDATE_ENABLED: "1"
  }
  const run = (...args: ReadonlyArray<string>) => admin(args, environment)
  const alice = ["tsig", "issue", "alice@example.com", "--spk", "03".repeat(32), "--json"]
  return { alice, environment, run }
}
const on = (file: string, ...args: ReadonlyArray<string>) => admin(["--db", file, ...args])
const json = async (file: string, ...args: ReadonlyArray<string>) =>
  JSON.parse((await on(file, ...args, "--json")).stdout)
const tokens = (file: string) => {
  const database = new DatabaseSync(file)
  const rows = database.prepare("SELECT * FROM tokens").all()
  database.close()
  return rows
}

describe("dnsmesh-node-admin", () => {
  const settled = freshFile()
  beforeAll(() => on(settled, "token", "issue", "alice@example.com"))

  it("issues, lists, rotates and revokes, in text and JSON", async () => {
    const file = freshFile()
    const issued = await json(
      file,
      "token",
      "issue",
      "Alice@Example.com",
      "--expires",
      "90d",
      "--rate",
      "2.5"
    )
    assert.deepStrictEqual(Object.keys(issued), [
      "token",
      "subject",
      "subject_hash12",
      "expires_at",
      "rate_per_sec",
      "rate_burst"
    ])
    assert.match(issued.token, /^dmp_v1_[A-Z2-7]{52}$/)
    assert.strictEqual(issued.subject, "alice@example.com")
    assert.strictEqual(statSync(file).mode & 0o777, 0o600)

    const [row] = await json(file, "token", "list")
    assert.strictEqual(row.live, true)
    assert.strictEqual(row.issuer, "admin:root")
    assert.strictEqual(row.rate_per_sec, 2.5)
    assert.strictEqual(row.expires_at - row.issued_at, 90 * 86_400)
    assert.notProperty(row, "registered_spk")
    const [head, line] = (await on(file, "token", "list")).stdout.split("\n")
    assert.match(head!, /^HASH-PREFIX {11}SUBJECT {15}ISSUED/)
    assert.isTrue(line!.startsWith(`${row.token_hash.slice(0, 16)}      alice@example.com`))

    const rotated = await on(file, "token", "rotate", "alice@example.com")
    assert.match(
      rotated.stdout,
      /^revoked 1 old token\(s\) for 'alice@example.com'\nnew token:\n {2}dmp_v1_[A-Z2-7]{52}\n$/
    )
    const [next] = await json(file, "token", "list")
    // Rates and length of life are as they were.
    assert.strictEqual(next.rate_per_sec, 2.5)
    assert.strictEqual(next.expires_at - next.issued_at, 90 * 86_400)
    assert.strictEqual(next.note, "rotation")

    const revoked = await on(file, "token", "revoke", next.token_hash.slice(0, 12))
    assert.strictEqual(
      revoked.stdout,
      `revoked token ${next.token_hash.slice(0, 16)}… (subject alice@example.com)\n`
    )
    assert.strictEqual((await on(file, "token", "list")).stdout, "(no tokens)\n")
    assert.strictEqual((await json(file, "token", "list", "--include-revoked")).length, 2)
    const events = (await json(file, "audit", "tail")).map(
      (entry: { event: string }) => entry.event
    )
    assert.deepStrictEqual(events, ["revoked", "issued", "revoked", "issued"])
    assert.lengthOf(await json(file, "audit", "tail", "--event", "issued", "--limit", "1"), 1)
  }, 60_000)

  it.each([
    [["token", "issue", "alice"], 2, /does not match/],
    [["token", "issue"], 2, /Missing argument/],
    [["token", "issue", "a@b.cd", "--expires", "0s"], 2, /^error: --expires: /],
    [["token", "issue", "a@b.cd", "--expires", "٣d"], 2, /^error: --expires: /],
    [["token", "issue", "a@b.cd", "--expires", "3 d"], 2, /^error: --expires: /],
    [["token", "issue", "a@b.cd", "--expires", "-1"], 2, /./],
    [["token", "issue", "a@b.cd", "--with-prekey-scope", "zz"], 2, /^error: --with-prekey-scope: /],
    [["token", "issue", "a@b.cd", "--rate", "many"], 2, /./],
    [["token", "rotate", "alice@example.com", "--expires", "soon"], 2, /^error: --expires: /],
    [["token", "rotate", "alice"], 2, /does not match/],
    [["token", "revoke", ""], 2, /^error: give a subject/],
    [["token", "revoke", "abc"], 2, /^error: give a subject/],
    [["token", "revoke", "bob@example.com"], 1, /^error: no live token matches/],
    [["token", "revoke", "ffffffffffff"], 1, /^error: no live token matches/],
    [["audit", "tail", "--limit", "0"], 2, /--limit/],
    [["subject", "transfer", "alice@example.com", "--spk", "12"], 2, /^error: --spk/],
    [["subject", "show", "bob@example.com"], 1, /nobody holds/],
    [["nonsense"], 2, /./]
  ] as const)(
    "ends %j with code %i and leaves the tokens alone",
    async (args, code, message) => {
      const before = tokens(settled)
      const ended = await on(settled, ...args)
      assert.strictEqual(ended.status, code)
      assert.match(ended.stderr + ended.stdout, message)
      assert.notInclude(ended.stderr, "    at ")
      assert.deepStrictEqual(tokens(settled), before)
    },
    60_000
  )

  it("makes no database nobody named, and says where it looked", async () => {
    const missing = await on(join(folder, "none.db"), "token", "list")
    assert.strictEqual(missing.status, 2)
    assert.isFalse(existsSync(join(folder, "none.db")))
    const nowhere = await on(join(folder, "no/such.db"), "token", "issue", "a@b.cd")
    assert.strictEqual(nowhere.status, 2)
    assert.include(nowhere.stderr, "error: DB parent directory does not exist: ")
    // By the node's own rule of naming, not a file of another name beside it.
    const derived = await admin(["token", "list"], { DMP_DB_PATH: join(folder, "mesh.db") })
    assert.include(derived.stderr, join(folder, "mesh_tokens.db"))
  }, 60_000)

  it("refuses a newer database and one that is none", async () => {
    const newer = freshFile()
    const database = new DatabaseSync(newer)
    database.exec("PRAGMA user_version = 3")
    database.close()
    const refused = await on(newer, "token", "list")
    assert.strictEqual(refused.status, 1)
    assert.match(refused.stderr, /^error: .*schema version 3/)
    const text = freshFile()
    writeFileSync(text, "this is a text, long enough to be looked at")
    assert.strictEqual((await on(text, "token", "list")).status, 1)
  }, 60_000)

  it("bans, releases and transfers subjects", async () => {
    const file = freshFile()
    await on(file, "token", "issue", "alice@example.com")
    assert.strictEqual((await json(file, "subject", "ban", "alice@example.com")).tokens, 1)
    assert.strictEqual((await on(file, "token", "issue", "alice@example.com")).status, 1)
    assert.isNumber((await json(file, "subject", "show", "alice@example.com")).owner.banned_at)
    assert.strictEqual((await on(file, "subject", "release", "alice@example.com")).status, 0)
    assert.strictEqual((await on(file, "subject", "release", "alice@example.com")).status, 1)
    await on(file, "subject", "transfer", "alice@example.com", "--spk", "AB".repeat(32))
    const [owner] = await json(file, "subject", "list")
    assert.strictEqual(owner.spk, "ab".repeat(32))
  }, 60_000)

  it("handles TSIG keys beside the node: issue, show, rotate, rescope, revoke", async () => {
    const { alice, run } = besideNode()
    await run("token", "issue", "bob@example.com")
    assert.strictEqual((await run("tsig", "issue", "bob@example.com")).status, 2)
    const given = await run(...alice)
    assert.strictEqual(given.status, 0, given.stderr)
    const key = JSON.parse(given.stdout)
    assert.match(key.secret_hex, /^[0-9a-f]{64}$/)
    const listed = JSON.parse((await run("tsig", "list", "--json")).stdout)
    assert.lengthOf(listed, 1)
    assert.notInclude(JSON.stringify(listed), key.secret_hex)
    const other = await run("tsig", "issue", "alice@example.com", "--spk", "04".repeat(32))
    assert.strictEqual(other.status, 1)
    const rotated = JSON.parse((await run("tsig", "rotate", key.name, "--json")).stdout)
    assert.notStrictEqual(rotated.secret_hex, key.secret_hex)
    assert.deepStrictEqual(rotated.allowed_suffixes, key.allowed_suffixes)
    assert.strictEqual((await run("tsig", "rescope", key.name, "--suffix", "a b")).status, 2)
    await run("tsig", "rescope", key.name, "--suffix", "ID-x.example.com.")
    const shown = JSON.parse((await run("tsig", "show", key.name, "--json")).stdout)
    assert.deepStrictEqual(shown.allowed_suffixes, ["id-x.example.com"])
    assert.strictEqual((await run("subject", "revoke", "alice@example.com")).status, 0)
    assert.isFalse(JSON.parse((await run("tsig", "show", key.name, "--json")).stdout).active)
    assert.strictEqual((await run("tsig", "revoke", key.name)).status, 1)
    assert.strictEqual((await run("tsig", "rotate", key.name)).status, 1)
  }, 60_000)

  it("tells the trail of TSIG keys what the dashboard and the API tell it", async () => {
    const { alice, environment, run } = besideNode()
    await run("token", "issue", "bob@example.com")
    const { name } = JSON.parse((await run(...alice)).stdout)
    await run("tsig", "rotate", name)
    await run("tsig", "revoke", name)
    await run(...alice)
    await run("subject", "revoke", "alice@example.com")
    const { stdout } = await run("audit", "tail", "--subject", "alice@example.com", "--json")
    const bare = name.replace(/\.$/, "")
    assert.deepStrictEqual(
      JSON.parse(stdout)
        .map(({ detail, event }: { detail: string; event: string }) => `${event} ${detail}`)
        .filter((line: string) => line.includes("TSIG")),
      [
        "revoked TSIG keys by_subject count=1",
        `issued TSIG key ${bare} issuer='admin:root'`,
        `revoked TSIG key ${bare}`,
        `issued TSIG key ${bare} issuer='admin:root:rotate'`,
        `issued TSIG key ${bare} issuer='admin:root'`
      ]
    )

    // A trail that cannot be written keeps nothing alive.
    await run(...alice)
    writeFileSync(environment.DMP_TOKEN_DB_PATH, "no database at all, and long enough to be one")
    const untold = await run("tsig", "revoke", name)
    assert.strictEqual(untold.status, 0, untold.stderr)
    assert.match(untold.stderr, /^warning: not in the audit trail: /)
    assert.isFalse(JSON.parse((await run("tsig", "show", name, "--json")).stdout).active)
  }, 60_000)

  it("says whether people can register, and why not", async () => {
    const closed = JSON.parse((await admin(["registration", "status", "--json"])).stdout)
    assert.isFalse(closed.tokens)
    assert.include(closed.missing, "DMP_NODE_HOSTNAME is unset")
    const open = JSON.parse(
      (
        await admin(["registration", "status", "--json"], {
          DMP_AUTH_MODE: "multi-tenant",
          DMP_REGISTRATION_ENABLED: "TRUE",
          DMP_NODE_HOSTNAME: "dmp.example.com"
        })
      ).stdout
    )
    assert.isTrue(open.tokens)
    assert.isFalse(open.tsig_keys)
    const wrong = await admin(["registration", "status"], { DMP_AUTH_MODE: "Multi Tenant" })
    assert.strictEqual(wrong.status, 1)
    assert.include(wrong.stderr, "DMP_AUTH_MODE")
  }, 60_000)
})
