/**
 * `git pull && docker compose up -d --build` over a volume that is in use: what ships today opens
 * what an older release left, keeps every live record and credential, and keeps a copy of it.
 * With DNSMESH_IMAGE it is the built image, in buildah, that has to; .ci/run sets it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { createHash } from "node:crypto"
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { request } from "../e2e/NodeProcess.ts"
import { rowsOf, withDatabase } from "../fixtures/Databases.ts"
import * as Reference from "../fixtures/ReferenceDatabases.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import { daemon, eventually, installed, run } from "../fixtures/Tools.ts"
import * as Production from "./ProductionRoot.ts"

const operator = "operator-token-of-the-upgrade-0123456789"
const token = `dmp_v1_${"D".repeat(52)}`
const subject = "dora@mesh.example"
const tsig = { name: "dora.mesh.example", secret: Buffer.alloc(32, 9) }
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

/** A port of the loopback that is free for TCP and, as far as can be told, for UDP. */
const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    )
  })
})

const settings = (http: number, dns: number) => ({
  DMP_HTTP_HOST: "127.0.0.1",
  DMP_DNS_HOST: "127.0.0.1",
  DMP_HTTP_PORT: String(http),
  DMP_DNS_PORT: String(dns),
  DMP_DOMAIN: "mesh.example",
  DMP_AUTH_MODE: "multi-tenant",
  DMP_OPERATOR_TOKEN: operator,
  DMP_DNS_UPDATE_ENABLED: "1",
  DMP_HTTP_RATE: "0",
  DMP_DNS_RATE: "0"
})

interface Running {
  readonly http: number
  readonly dns: number
  readonly pid: number
}

/** The node of `root` over `volume`, for as long as `use` takes; then it is stopped as compose does. */
const serving = <A, E>(
  root: Production.ProductionRoot,
  volume: string,
  use: (node: Running) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const http = yield* freePort
    const dns = yield* freePort
    const { child, log } = yield* daemon(
      ...Production.invocation(root, volume, ["serve"], settings(http, dns))
    )
    yield* eventually(
      Effect.map(
        Effect.option(request({ http }, "/readyz")),
        (answer) =>
          (answer._tag === "Some" && answer.value.status === 200) || child.exitCode !== null
      ),
      30
    )
    assert.isNull(child.exitCode, log())
    const result = yield* use({ http, dns, pid: child.pid ?? 0 })
    child.kill("SIGTERM")
    yield* eventually(
      Effect.sync(() => child.exitCode !== null || child.signalCode !== null),
      30
    )
    assert.strictEqual(child.exitCode, 0, log())
    return result
  }).pipe(Effect.scoped)

const served = ({ dns }: Running, name: string) =>
  Effect.map(
    run("dig", ["@127.0.0.1", "-p", String(dns), "+short", "+tries=3", name, "TXT"]),
    ({ stdout }) => stdout.trim()
  )

const give = (path: string) => {
  chownSync(path, Production.owner, Production.owner)
  for (const name of readdirSync(path))
    chownSync(join(path, name), Production.owner, Production.owner)
}

/** Credentials that can be used, beside the fixture's, whose secrets nobody knows. */
const addDora = (volume: string, at: number) =>
  Effect.zipRight(
    withDatabase(join(volume, "dmp_tokens.db"), (db) =>
      db
        .prepare(
          "INSERT INTO tokens (token_hash, subject, subject_type, issued_at) VALUES (?, ?, 1, ?)"
        )
        .run(sha256(token), subject, at)
    ),
    withDatabase(join(volume, "dmp_tsig.db"), (db) =>
      db
        .prepare(
          "INSERT INTO tsig_keys (name, secret, allowed_suffixes, created_at) VALUES (?, ?, 'dora.mesh.example', ?)"
        )
        .run(`${tsig.name}.`, tsig.secret, at)
    )
  )

const ownName = `id-${sha256("dora").slice(0, 16)}.mesh.example`

/** Everything that was in the volume is there, and works. */
const inOrder = (node: Running) =>
  Effect.gen(function* () {
    for (const { name, value } of Reference.recordRows)
      for (const spelled of [name, name.toLowerCase()])
        assert.strictEqual(yield* served(node, spelled), `"${value}"`, spelled)
    const byToken = yield* request(node, `/v1/records/${ownName}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ value: "published by token", ttl: 3600 })
    })
    assert.strictEqual(byToken.status, 201, byToken.body)
    const update = yield* run(
      "nsupdate",
      ["-y", `hmac-sha256:${tsig.name}:${tsig.secret.toString("base64")}`],
      [
        `server 127.0.0.1 ${node.dns}`,
        "zone mesh.example",
        'update add signed.dora.mesh.example 3600 TXT "published by key"',
        "send",
        ""
      ].join("\n")
    )
    assert.strictEqual(update.status, 0, update.stderr)
    assert.strictEqual(yield* served(node, "signed.dora.mesh.example"), '"published by key"')
  })

/** Every file with what is in it; SQLite may leave its index of the log beside a file it has read. */
const databases = (volume: string) =>
  readdirSync(volume)
    .filter((name) => !/-(wal|shm)$/.test(name))
    .sort()
    .map((name) => `${name} ${sha256(readFileSync(join(volume, name), "base64"))}`)

const copies = (volume: string) =>
  readdirSync(volume)
    .filter((name) => name.endsWith(".bak"))
    .sort()

const suite = (kind: string, root: Effect.Effect<Production.ProductionRoot, never, Scope.Scope>) =>
  describe.skipIf(!Production.possible() || !installed("dig", "nsupdate", "setpriv"))(
    `an upgrade to ${kind}`,
    () => {
      it.scopedLive(
        "runs as uid 999, and can write to its volume alone",
        () =>
          Effect.gen(function* () {
            const production = yield* root
            const volume = yield* tempDirectory
            give(volume)
            const script =
              "id -u; touch /opt/x 2>/dev/null || echo ro; touch /var/lib/dmp/x && echo rw"
            const [command, args] = Production.raw(production, volume, ["/bin/sh", "-c", script])
            const { stderr, stdout } = yield* run(command, args)
            assert.deepStrictEqual(stdout.split("\n"), ["999", "ro", "rw", ""], stderr)
          }),
        60_000
      )

      for (const release of ["0.5.3", "0.7.5"] as const)
        it.scopedLive(
          `keeps what a reference node ${release} left in the volume`,
          () =>
            Effect.gen(function* () {
              const production = yield* root
              const volume = yield* tempDirectory
              const now = Math.floor(
                (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) / 1000
              )
              yield* Reference.write(release, volume, now - 60)
              yield* addDora(volume, now - 60)
              give(volume)
              const before = yield* rowsOf(join(volume, "dmp.db"), "records")
              const files = databases(volume)

              const looked = yield* run(
                ...Production.invocation(
                  production,
                  volume,
                  ["migrate", "--dry-run"],
                  settings(1, 1)
                )
              )
              assert.strictEqual(looked.status, 0, looked.stderr)
              assert.include(looked.stdout, "dnsmesh_meta")
              assert.deepStrictEqual(databases(volume), files, "a dry run changes nothing")

              yield* serving(production, volume, inOrder)
              const kept = copies(volume)
              assert.include(kept, "dmp.db.pre-schema2.bak")
              assert.deepStrictEqual(
                yield* rowsOf(join(volume, "dmp.db.pre-schema2.bak"), "records"),
                before
              )
              for (const name of kept) {
                const { mode, uid } = statSync(join(volume, name))
                assert.deepStrictEqual([mode & 0o777, uid], [0o600, Production.owner], name)
              }
              const subjects = yield* rowsOf(join(volume, "dmp_tokens.db"), "tokens")
              for (const user of ["alice", "bob", "dora"])
                assert.lengthOf(
                  subjects.filter((row) => row.includes(`${user}@`)),
                  1,
                  user
                )

              // And once more: today's files, nothing to migrate.
              yield* serving(production, volume, (node) =>
                Effect.gen(function* () {
                  yield* inOrder(node)
                  assert.strictEqual(yield* served(node, ownName), '"published by token"')
                })
              )
              assert.deepStrictEqual(copies(volume), kept)
            }),
          120_000
        )

      it.scopedLive(
        "keeps what this node's own earlier schema left in the volume",
        () =>
          Effect.gen(function* () {
            const production = yield* root
            const volume = yield* tempDirectory
            give(volume)
            const publishAll = (node: Running) =>
              Effect.forEach(Reference.recordRows, ({ name, value }) =>
                Effect.map(
                  request(node, `/v1/records/${name}`, {
                    method: "POST",
                    headers: { authorization: `Bearer ${operator}` },
                    body: JSON.stringify({ value, ttl: 3600 })
                  }),
                  ({ body, status }) => assert.strictEqual(status, 201, body)
                )
              )
            yield* serving(production, volume, publishAll)
            yield* addDora(volume, 1_700_000_000)
            // Step 1 had neither the mark nor the table of owners.
            yield* withDatabase(join(volume, "dmp.db"), (db) =>
              db.exec(
                "DROP TABLE dnsmesh_meta; DELETE FROM dnsmesh_migrations WHERE migration_id > 1"
              )
            )
            yield* withDatabase(join(volume, "dmp_tokens.db"), (db) =>
              db.exec("DROP TABLE dnsmesh_owners")
            )
            give(volume)
            assert.deepStrictEqual(copies(volume), [])
            const before = yield* rowsOf(join(volume, "dmp.db"), "records")

            yield* serving(production, volume, inOrder)
            assert.deepStrictEqual(copies(volume), [
              "dmp.db.pre-schema2.bak",
              "dmp_tokens.db.pre-schema2.bak"
            ])
            assert.deepStrictEqual(
              yield* rowsOf(join(volume, "dmp.db.pre-schema2.bak"), "records"),
              before
            )
          }),
        120_000
      )

      it.scopedLive(
        "leaves a volume of a newer release as it is",
        () =>
          Effect.gen(function* () {
            const production = yield* root
            const volume = yield* tempDirectory
            const now = Math.floor(
              (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) / 1000
            )
            yield* Reference.write("0.7.5", volume, now)
            yield* withDatabase(join(volume, "dmp_tokens.db"), (db) =>
              db.exec("PRAGMA user_version = 99")
            )
            give(volume)
            const before = yield* rowsOf(join(volume, "dmp_tokens.db"), "tokens")
            const { status, stderr } = yield* run(
              ...Production.invocation(production, volume, ["serve"], settings(0, 0))
            )
            assert.strictEqual(status, 74, stderr)
            assert.include(stderr, "schema version 99")
            assert.deepStrictEqual(yield* rowsOf(join(volume, "dmp_tokens.db"), "tokens"), before)
            assert.isFalse(existsSync(join(volume, "dmp_tokens.db.pre-schema2.bak")))
          }),
        60_000
      )
    }
  )

const image = process.env["DNSMESH_IMAGE"]
if (image === undefined) suite("the production bundle", Production.staged)
else suite(`the image ${image}`, Production.ofImage(image))
