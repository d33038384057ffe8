import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, TestClock } from "effect"
import { packTar, type TarEntry, unpackTar } from "modern-tar"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { PassThrough, Readable } from "node:stream"
import { gunzipSync } from "node:zlib"
import * as Backup from "../../src/sql/Backup.ts"
import * as BackupArchive from "../../src/sql/BackupArchive.ts"
import { verify } from "../../src/sql/BackupVerify.ts"
import * as DatabaseLock from "../../src/sql/DatabaseLock.ts"
import { databases, secretFiles } from "../../src/sql/DataFiles.ts"
import { restore } from "../../src/sql/Restore.ts"
import { all } from "../../src/Settings.ts"
import { numbers, rowsOf, withDatabase } from "../fixtures/Databases.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"

const build = { version: "1.2.3", commit: "abc1234" }

/** Two databases and a secret in a directory, and what a backup of them is asked for. */
const data = Effect.gen(function* () {
  const home = yield* tempDirectory
  const path = (name: string) => join(home, name)
  yield* numbers(path("dmp.db"), 200)
  yield* numbers(path("dmp_tokens.db"), 3)
  writeFileSync(path("secret"), "not to be lost\n")
  const contents: Backup.Contents = {
    databases: [
      { role: "records", path: path("dmp.db") },
      { role: "token", path: path("dmp_tokens.db") },
      { role: "tsig", path: path("dmp_tsig.db") }
    ],
    secrets: [{ variable: "DMP_OPERATOR_TOKEN_FILE", path: path("secret") }],
    build,
    compression: "gzip"
  }
  return { home, path, contents }
})

/** The same places in another, empty directory. */
const elsewhere = Effect.map(tempDirectory, (home) => ({
  home,
  databases: ["records", "token", "tsig"].map((role) => ({ role, path: join(home, role) })),
  secrets: [{ variable: "DMP_OPERATOR_TOKEN_FILE", path: join(home, "secret") }],
  replace: false
}))

const check = (archive: Uint8Array) =>
  Effect.flatMap(tempDirectory, (home) => verify(Readable.from([archive]), home)).pipe(
    Effect.scoped
  )

const refusal = (archive: Uint8Array) => Effect.map(Effect.flip(check(archive)), String)

/** An archive's entries, to be tampered with and packed again. */
const entriesOf = (archive: Uint8Array) =>
  Effect.promise(() => unpackTar(gunzipSync(archive), { strict: true }))
const pack = (entries: ReadonlyArray<TarEntry>) => Effect.promise(() => packTar(entries))

describe("backup", () => {
  it.scoped("holds every database there is and the secrets asked for, for its owner alone", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      const { bytes, manifest } = yield* Backup.toFile(contents, path("backup.tar.gz"))
      assert.deepStrictEqual(
        manifest.files.map(({ name }) => name),
        ["databases/records.db", "databases/token.db", "secrets/DMP_OPERATOR_TOKEN_FILE"]
      )
      assert.deepInclude(manifest.files[0], { rows: { numbers: 200 }, userVersion: 0, step: 0 })
      assert.include(manifest, build)
      const file = statSync(path("backup.tar.gz"))
      assert.strictEqual(file.mode & 0o777, 0o600)
      assert.strictEqual(file.size, bytes)
      assert.deepStrictEqual(
        readdirSync(dirname(path("x"))).filter((name) => name.startsWith(".")),
        [],
        "nothing is left behind"
      )
    })
  )

  it.scoped("can be taken apart by any tar, and is good by its own account", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      for (const compression of ["gzip", "zstd", "none"] as const) {
        const file = path(`backup${BackupArchive.suffix[compression]}`)
        yield* Backup.toFile({ ...contents, compression }, file)
        const { manifest } = yield* Effect.scoped(
          Effect.flatMap(BackupArchive.open(file), (source) => verify(source, dirname(file)))
        )
        assert.lengthOf(manifest.files, 3)
      }
      const entries = yield* entriesOf(readFileSync(path("backup.tar.gz")))
      assert.strictEqual(entries[0]?.header.name, "manifest.json")
    })
  )

  it.scoped("goes to a stream as well", () =>
    Effect.gen(function* () {
      const { contents, home } = yield* data
      const sink = new PassThrough()
      const chunks: Array<Buffer> = []
      sink.on("data", (chunk: Buffer) => chunks.push(chunk))
      yield* Backup.toStream(contents, home, sink)
      yield* check(Buffer.concat(chunks))
    })
  )

  it.scoped("leaves an older backup of the same name alone when it fails", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      writeFileSync(path("dmp_tsig.db"), "this is no database, whatever its name says")
      writeFileSync(path("backup.tar.gz"), "yesterday's")
      const error = yield* Effect.flip(Backup.toFile(contents, path("backup.tar.gz")))
      assert.include(error.message, "dmp_tsig.db")
      assert.strictEqual(readFileSync(path("backup.tar.gz"), "utf8"), "yesterday's")
    })
  )

  it.scoped("refuses when there are no records, and creates none", () =>
    Effect.gen(function* () {
      const home = yield* tempDirectory
      const missing = join(home, "dmp.db")
      const error = yield* Effect.flip(
        Backup.toFile(
          {
            databases: [{ role: "records", path: missing }],
            secrets: [],
            build,
            compression: "none"
          },
          join(home, "b.tar")
        )
      )
      assert.include(error.message, "no database")
      assert.isFalse(existsSync(missing))
    })
  )

  it("copies a database that was added to the configuration, without being told", () => {
    const store = {
      dbPath: "/d/dmp.db",
      tokenDbPath: "/d/t.db",
      tsigDbPath: "/d/k.db",
      heartbeatDbPath: "/d/h.db",
      auditDbPath: "/d/a.db",
      syncDbPath: "/d/s.db",
      tokenDbNamed: false,
      futureDbPath: "/d/f.db"
    }
    assert.deepStrictEqual(
      databases(store).map(({ role, path }) => `${role}=${path}`),
      [
        "records=/d/dmp.db",
        "token=/d/t.db",
        "tsig=/d/k.db",
        "heartbeat=/d/h.db",
        "audit=/d/a.db",
        "sync=/d/s.db",
        "future=/d/f.db"
      ]
    )
  })

  it("finds the files that secrets come from, aliases too", () => {
    assert.deepStrictEqual(
      secretFiles({ DMP_HTTP_TOKEN_FILE: " /run/token ", DMP_OPERATOR_TOKEN: "x" }, all),
      [{ variable: "DMP_HTTP_TOKEN_FILE", path: "/run/token" }]
    )
  })
})

describe("verify", () => {
  it.scoped("refuses an archive of which any content octet was changed", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile({ ...contents, compression: "none" }, path("b.tar"))
      const archive = readFileSync(path("b.tar"))
      // After the manifest and its header; padding between entries is nobody's content.
      const [start, end] = [archive.indexOf("SQLite format 3"), archive.indexOf("not to be lost")]
      const at = yield* Effect.promise(() =>
        Promise.resolve(fc.sample(fc.integer({ min: start, max: start + 30_000 }), 25))
      )
      for (const position of [...at, start, end]) {
        const changed = Buffer.from(archive)
        changed[position] = (changed[position] ?? 0) ^ 0x20
        assert.match(yield* refusal(changed), /checksum|otherwise|read the archive/)
      }
    })
  )

  it.scoped("refuses an archive that was cut off anywhere", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      for (const compression of ["gzip", "zstd", "none"] as const) {
        yield* Backup.toFile({ ...contents, compression }, path("b"))
        const archive = readFileSync(path("b"))
        for (const part of [0, 0.01, 0.3, 0.6, 0.9])
          assert.include(
            yield* refusal(archive.subarray(0, Math.floor(archive.length * part))),
            "BackupError"
          )
      }
    })
  )

  it.scoped("refuses entries that lead elsewhere, links, doubles and strangers", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile(contents, path("b.tar.gz"))
      const entries = (yield* entriesOf(readFileSync(path("b.tar.gz")))).map(
        ({ header, data }): TarEntry => ({ header, body: data })
      )
      const [manifest, ...files] = entries
      const [first] = files
      if (manifest === undefined || first === undefined) return assert.fail("an empty archive")
      const text = new TextDecoder().decode(
        manifest.body instanceof Uint8Array ? manifest.body : undefined
      )
      const withManifest = (body: string, rest: ReadonlyArray<TarEntry> = files) =>
        pack([{ header: { name: "manifest.json", size: Buffer.byteLength(body) }, body }, ...rest])
      const hostile = [
        yield* pack([...entries, { header: { name: "../evil", size: 1 }, body: "x" }]),
        yield* pack([...entries, { header: { name: "databases/more.db", size: 1 }, body: "x" }]),
        yield* pack([...entries, first]),
        yield* pack([
          ...entries,
          { header: { name: "l", size: 0, type: "symlink", linkname: "/" } }
        ]),
        yield* pack(files),
        yield* pack([manifest]),
        yield* withManifest(text.replace("databases/records.db", "databases/../../etc/x")),
        yield* withManifest(text.replace("databases/records.db", "/etc/passwd")),
        yield* withManifest(text.replace('"format": 1', '"format": 2')),
        yield* withManifest("{}"),
        yield* withManifest(`"${"x".repeat(2_000_000)}"`),
        Buffer.from("no archive at all, but some text that is long enough"),
        Buffer.alloc(0)
      ]
      for (const archive of hostile) assert.include(yield* refusal(archive), "BackupError")
      assert.lengthOf((yield* check(yield* pack(entries))).manifest.files, 3)
    })
  )

  it.scoped("refuses a database that is damaged although its checksum is right", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile(contents, path("b.tar.gz"))
      const damaged = (yield* entriesOf(readFileSync(path("b.tar.gz")))).map(
        ({ header, data }): TarEntry => {
          const body = Buffer.from(data ?? "")
          if (header.name === "databases/records.db") body.fill(0xff, 8192, 12_288)
          return { header, body }
        }
      )
      const [manifest, records] = damaged
      assert(manifest?.body instanceof Uint8Array && records?.body instanceof Uint8Array)
      const sha256 = createHash("sha256").update(records.body).digest("hex")
      const body = new TextDecoder()
        .decode(manifest.body)
        .replace(/"sha256": "[0-9a-f]{64}"/, `"sha256": "${sha256}"`)
      const archive = yield* pack([
        { header: { name: "manifest.json", size: body.length }, body },
        ...damaged.slice(1)
      ])
      assert.match(yield* refusal(archive), /damaged|malformed/)
    })
  )

  it.scoped("makes no backup of a database that is damaged", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      const damaged = readFileSync(path("dmp.db"))
      damaged.fill(0xff, 8192, 12_288)
      writeFileSync(path("dmp.db"), damaged)
      const error = yield* Effect.flip(Backup.toFile(contents, path("b.tar.gz")))
      assert.match(error.message, /dmp\.db.*malformed/)
      assert.isFalse(existsSync(path("b.tar.gz")))
    })
  )
})

describe("restore", () => {
  it.scoped("brings back every row and every secret", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile(contents, path("b.tar.gz"))
      const to = yield* elsewhere
      const done = yield* restore(yield* BackupArchive.open(path("b.tar.gz")), to)
      assert.deepStrictEqual(done.setAside, [])
      for (const [role, name] of [
        ["records", "dmp.db"],
        ["token", "dmp_tokens.db"]
      ] as const)
        assert.deepStrictEqual(
          yield* rowsOf(join(to.home, role), "numbers"),
          yield* rowsOf(path(name), "numbers")
        )
      assert.strictEqual(readFileSync(join(to.home, "secret"), "utf8"), "not to be lost\n")
      assert.strictEqual(statSync(join(to.home, "records")).mode & 0o777, 0o600)
      assert.deepStrictEqual(
        readdirSync(to.home).sort(),
        ["records", "records.lock", "secret", "token"],
        "nothing else is left"
      )
    })
  )

  it.scoped("refuses while a node has the data open", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile(contents, path("b.tar.gz"))
      const to = { ...contents, replace: true }
      const error = yield* DatabaseLock.acquire(path("dmp.db")).pipe(
        Effect.zipRight(BackupArchive.open(path("b.tar.gz"))),
        Effect.flatMap((source) => Effect.flip(restore(source, to))),
        Effect.scoped
      )
      assert.include(error.message, "in use")
      yield* restore(yield* BackupArchive.open(path("b.tar.gz")), to)
    })
  )

  it.scoped(
    "refuses where there is data, and with replace sets all of it aside, WAL included",
    () =>
      Effect.gen(function* () {
        const { contents, path } = yield* data
        yield* Backup.toFile(contents, path("b.tar.gz"))
        const to = yield* elsewhere
        // A node that was killed leaves its last rows in the WAL.
        const killed = join(to.home, "records")
        yield* withDatabase(killed, (db) => {
          db.exec("PRAGMA journal_mode = WAL; CREATE TABLE numbers (n)")
          db.exec("INSERT INTO numbers VALUES (42)")
          writeFileSync(`${killed}.copy`, readFileSync(killed))
          writeFileSync(`${killed}.copy-wal`, readFileSync(`${killed}-wal`))
        })
        for (const end of ["", "-wal"])
          writeFileSync(`${killed}${end}`, readFileSync(`${killed}.copy${end}`))
        yield* numbers(join(to.home, "tsig"), 5)

        const error = yield* Effect.flip(restore(yield* BackupArchive.open(path("b.tar.gz")), to))
        assert.include(error.message, "--replace")
        assert.isFalse(existsSync(join(to.home, "token")), "nothing was touched")

        yield* TestClock.setTime(Date.UTC(2026, 10, 23, 12, 0, 0))
        const done = yield* restore(yield* BackupArchive.open(path("b.tar.gz")), {
          ...to,
          replace: true
        })
        const aside = `${killed}.replaced-20261123T120000Z`
        assert.include(done.setAside, aside)
        assert.deepStrictEqual(yield* rowsOf(aside, "numbers"), ['{"n":42}'])
        assert.isFalse(existsSync(`${killed}-wal`), "an old WAL would be played into the new file")
        assert.isFalse(
          existsSync(join(to.home, "tsig")),
          "a store of another time is set aside too"
        )
        assert.lengthOf(yield* rowsOf(killed, "numbers"), 200)
      })
  )

  it.scoped("touches nothing when the archive is bad", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile({ ...contents, compression: "none" }, path("b.tar"))
      const archive = readFileSync(path("b.tar"))
      archive[archive.length - 2000] = (archive[archive.length - 2000] ?? 0) ^ 1
      const at = archive.indexOf("number 150")
      archive.write("x", at)
      const before = readFileSync(path("dmp.db"))
      const error = yield* Effect.flip(
        restore(Readable.from([archive]), { ...contents, replace: true })
      )
      assert.include(error.message, "checksum")
      assert.isTrue(before.equals(readFileSync(path("dmp.db"))))
      assert.notInclude(readdirSync(dirname(path("x"))).join(), "replaced")
    })
  )

  it.scoped("says what it has no place for", () =>
    Effect.gen(function* () {
      const { contents, path } = yield* data
      yield* Backup.toFile(contents, path("b.tar.gz"))
      const to = yield* elsewhere
      const done = yield* restore(yield* BackupArchive.open(path("b.tar.gz")), {
        ...to,
        secrets: []
      })
      assert.deepStrictEqual(done.skipped, ["secrets/DMP_OPERATOR_TOKEN_FILE"])
      assert.lengthOf(done.restored, 2)
    })
  )
})
