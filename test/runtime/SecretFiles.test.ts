import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { loadConfig } from "../../src/Settings.ts"

const withDirectory = <A, E>(
  test: (
    directory: string,
    files: FileSystem.FileSystem
  ) => Effect.Effect<A, E, FileSystem.FileSystem>
) =>
  Effect.flatMap(FileSystem.FileSystem, (files) =>
    Effect.flatMap(files.makeTempDirectoryScoped(), (directory) => test(directory, files))
  ).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

const operatorToken = (environment: Record<string, string>) =>
  Effect.map(loadConfig(environment), ({ config }) =>
    Option.map(config.auth.operatorToken, Redacted.value)
  )

const lines = (environment: Record<string, string>) =>
  Effect.map(Effect.flip(loadConfig(environment)), (mistakes) => mistakes.lines)

describe("A secret in a file", () => {
  it.effect.each(["DMP_OPERATOR_TOKEN_FILE", "DMP_HTTP_TOKEN_FILE"])(
    "named by %s is read without the newline at its end",
    (variable) =>
      withDirectory((directory, files) =>
        Effect.gen(function* () {
          const path = `${directory}/token`
          yield* files.writeFileString(path, "s3cret\r\n")
          assert.deepStrictEqual(yield* operatorToken({ [variable]: path }), Option.some("s3cret"))
        })
      )
  )

  it.effect("is a mistake beside the same secret in the environment", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        yield* files.writeFileString(`${directory}/token`, "s3cret")
        const [line, ...more] = yield* lines({
          DMP_OPERATOR_TOKEN: "other",
          DMP_OPERATOR_TOKEN_FILE: `${directory}/token`
        })
        assert.isEmpty(more)
        assert.strictEqual(
          line,
          "DMP_OPERATOR_TOKEN_FILE: DMP_OPERATOR_TOKEN is set as well, give only one of them"
        )
      })
    )
  )

  it.effect("is a mistake when it is missing, empty, a directory or far too large", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        const variable = "OTEL_EXPORTER_OTLP_HEADERS_FILE"
        const problem = (path: string) =>
          Effect.map(lines({ [variable]: path }), (all) => all.join("\n"))
        yield* files.writeFileString(`${directory}/empty`, "\n")
        yield* files.writeFileString(`${directory}/large`, "x".repeat(70_000))
        assert.match(yield* problem(`${directory}/none`), /^OTEL\S+: ".*none" does not exist/)
        assert.include(yield* problem(`${directory}/empty`), "is empty")
        assert.include(yield* problem(`${directory}/large`), "is larger than")
        assert.include(yield* problem(directory), "is not a regular file")
        assert.isFalse(yield* files.exists(`${directory}/none`))
      })
    )
  )

  it.effect("stays out of messages when it cannot be used", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        yield* files.writeFileString(`${directory}/token`, "s3cret\u0001value")
        const text = (yield* lines({ DMP_OPERATOR_TOKEN_FILE: `${directory}/token` })).join("\n")
        assert.match(text, /^DMP_OPERATOR_TOKEN: the value \(hidden\)/)
        assert.notInclude(text, "s3cret")
      })
    )
  )
})

describe("The operator token's file, when it does not exist", () => {
  it.effect("is created for the node alone, logged by path and used", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        const path = `${directory}/new/secrets/token`
        const { config, notices } = yield* loadConfig({ DMP_OPERATOR_TOKEN_FILE: path })
        const text = (yield* files.readFileString(path)).trim()
        assert.match(text, /^[A-Za-z0-9_-]{43}$/)
        assert.deepStrictEqual(
          Option.map(config.auth.operatorToken, Redacted.value),
          Option.some(text)
        )
        assert.strictEqual(config.auth.mode, "legacy")
        assert.strictEqual((yield* files.stat(path)).mode & 0o777, 0o600)
        assert.strictEqual((yield* files.stat(`${directory}/new/secrets`)).mode & 0o777, 0o700)
        assert.deepStrictEqual(notices, [
          {
            level: "INFO",
            message: `DMP_OPERATOR_TOKEN_FILE: ${path} was created with a new token`
          }
        ])
        assert.deepStrictEqual(
          yield* operatorToken({ DMP_OPERATOR_TOKEN_FILE: path }),
          Option.some(text)
        )
      })
    )
  )

  it.live("is one token for all who start at once", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        const tokens = yield* Effect.all(
          Array.from({ length: 8 }, () =>
            operatorToken({ DMP_OPERATOR_TOKEN_FILE: `${directory}/token` })
          ),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(new Set(tokens.map(Option.getOrThrow)), 1)
      })
    )
  )

  it.effect("is left alone by a check without a start", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        const path = `${directory}/token`
        const { config } = yield* loadConfig(
          { DMP_OPERATOR_TOKEN_FILE: path },
          { mayCreate: false }
        )
        assert.strictEqual(config.auth.mode, "legacy")
        assert.isFalse(yield* files.exists(path))
      })
    )
  )

  it.effect("is a mistake when it cannot be created", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        yield* files.writeFileString(`${directory}/file`, "")
        const [line] = yield* lines({ DMP_OPERATOR_TOKEN_FILE: `${directory}/file/token` })
        assert.match(line ?? "", /^DMP_OPERATOR_TOKEN_FILE: .*could not be read or created/)
      })
    )
  )
})

describe("A list in a file", () => {
  const allowlist = (environment: Record<string, string>) =>
    Effect.map(loadConfig(environment), ({ config }) => config.registration.allowlist)

  it.effect("has an item a line, remarks aside, and may be empty", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        const path = `${directory}/list`
        const read = allowlist({ DMP_REGISTRATION_ALLOWLIST_FILE: path })
        yield* files.writeFileString(path, "# ours\nA.test\n\n  b.test # theirs\r\nc.test,d.test\n")
        assert.deepStrictEqual(yield* read, ["a.test", "b.test", "c.test", "d.test"])
        yield* files.writeFileString(path, "# nobody\n")
        assert.deepStrictEqual(yield* read, [])
      })
    )
  )

  it.effect("is a mistake where an item is, beside the variable, and where there is no file", () =>
    withDirectory((directory, files) =>
      Effect.gen(function* () {
        const path = `${directory}/list`
        const variable = "DMP_REGISTRATION_ALLOWLIST"
        yield* files.writeFileString(path, "a.test\nwhat is this\n")
        assert.lengthOf(yield* lines({ [`${variable}_FILE`]: path }), 1)
        assert.lengthOf(yield* lines({ [`${variable}_FILE`]: path, [variable]: "a.test" }), 1)
        assert.match(
          (yield* lines({ [`${variable}_FILE`]: `${directory}/none` }))[0] ?? "",
          /does not exist, give the path of a file that holds the list/
        )
      })
    )
  )
})
