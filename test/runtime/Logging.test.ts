import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, FastCheck, Redacted } from "effect"
import type { LogConfigShape } from "../../src/runtime/LogConfig.ts"
import * as Logging from "../../src/runtime/Logging.ts"

/** What `program` logs, event by event. */
const logged = <E>(
  config: Pick<LogConfigShape, "level" | "format">,
  program: Effect.Effect<unknown, E>
) =>
  Effect.suspend(() => {
    const written: Array<string> = []
    return Effect.as(
      Effect.provide(
        program,
        Logging.layerWith(config, (text) => void written.push(text))
      ),
      written
    )
  })

const json = (program: Effect.Effect<unknown>) =>
  Effect.map(logged({ level: "NOTSET", format: "json" }, program), (lines) => {
    assert.lengthOf(lines, 1)
    assert.match(lines[0]!, /^[\x20-\x7e]*\n$/)
    const event: Record<string, unknown> = JSON.parse(lines[0]!)
    return event
  })

const text = (program: Effect.Effect<unknown>) =>
  Effect.map(logged({ level: "NOTSET", format: "text" }, program), (lines) => lines.join(""))

class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

describe("A JSON log line", () => {
  it.effect("has ts, level, logger, msg and exc in this order, then extras at top level", () =>
    Effect.gen(function* () {
      const event = yield* json(
        Effect.logError("it broke", { count: 3 }, Cause.fail(new Broken({ message: "why" }))).pipe(
          Effect.annotateLogs({ logger: "dmp.server.http_api", request_id: "r1" })
        )
      )
      assert.deepStrictEqual(Object.keys(event), [
        "ts",
        "level",
        "logger",
        "msg",
        "exc",
        "count",
        "request_id"
      ])
      assert.strictEqual(event["ts"], "1970-01-01T00:00:00.000Z")
      assert.deepInclude(event, {
        level: "ERROR",
        logger: "dmp.server.http_api",
        msg: "it broke",
        count: 3,
        request_id: "r1"
      })
      assert.match(String(event["exc"]), /^Broken: why\n {4}at /)
    })
  )

  it.effect("has no exc without an error, and a logger without an annotation", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* json(Effect.logWarning("careful", "now")), {
        ts: "1970-01-01T00:00:00.000Z",
        level: "WARNING",
        logger: "dmp.server.node",
        msg: "careful now"
      })
    })
  )

  it.effect("takes an error among the arguments for what went wrong", () =>
    Effect.gen(function* () {
      const event = yield* json(Effect.logError("it broke", new Broken({ message: "why" })))
      assert.strictEqual(event["msg"], "it broke")
      assert.include(String(event["exc"]), "why")
    })
  )

  it.effect("does not let an extra pose as what every event has", () =>
    Effect.gen(function* () {
      const event = yield* json(Effect.logInfo("true", { level: "DEBUG", msg: "false", ts: 1 }))
      assert.deepInclude(event, {
        level: "INFO",
        msg: "true",
        level_: "DEBUG",
        msg_: "false",
        ts_: 1
      })
    })
  )

  it.effect("holds what JSON cannot as text", () =>
    Effect.gen(function* () {
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      const event = yield* json(
        Effect.logInfo("odd", {
          big: 12n,
          nan: NaN,
          fn: () => 1,
          symbol: Symbol("s"),
          nothing: undefined,
          map: new Map([["a", 1]]),
          cyclic,
          hostile: {
            toJSON: () => {
              throw new Error("no")
            }
          },
          date: new Date(0)
        })
      )
      assert.strictEqual(event["big"], "12")
      assert.strictEqual(event["nan"], "NaN")
      assert.strictEqual(event["date"], "1970-01-01T00:00:00.000Z")
      assert.strictEqual(event["hostile"], "(unprintable)")
    })
  )

  it.effect.prop(
    "is one line of ASCII that parses back, whatever is logged",
    [
      FastCheck.string({ unit: "binary" }),
      FastCheck.dictionary(
        FastCheck.string({ unit: "binary" }),
        FastCheck.anything({ withBigInt: true })
      )
    ],
    ([message, extras]) =>
      Effect.map(json(Effect.logInfo(message, { ...extras })), (event) =>
        assert.isString(event["msg"])
      ),
    { fastCheck: { numRuns: 100 } }
  )
})

describe("A text log line", () => {
  it.effect("has time, level, logger and message, and extras behind it", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* text(Effect.logInfo("DNS listening on 0.0.0.0:5353/udp+tcp")),
        "1970-01-01 00:00:00,000 INFO dmp.server.node: DNS listening on 0.0.0.0:5353/udp+tcp\n"
      )
      assert.strictEqual(
        yield* text(
          Effect.logFatal("x", { n: 1, s: "a b" }).pipe(
            Effect.annotateLogs({ logger: "dmp.server.dns_server" })
          )
        ),
        `1970-01-01 00:00:00,000 CRITICAL dmp.server.dns_server: x n=1 s="a b"\n`
      )
    })
  )

  it.effect.each(["\n", "\r\n", "\u2028", "\u0085", "\u001b[2J", "\u0000"])(
    "cannot be split or coloured by %j in what is logged",
    (evil) =>
      Effect.gen(function* () {
        const forged = `${evil}1970-01-01 00:00:00,000 INFO forged: line`
        const line = yield* text(Effect.logInfo(`a${forged}`, { extra: forged, [forged]: 1 }))
        assert.strictEqual(line.trimEnd().search(/[\p{Cc}\p{Zl}\p{Zp}]/u), -1)
      })
  )

  it.effect("is followed by the traceback, indented so that it cannot pose as events", () =>
    Effect.gen(function* () {
      const lines = (yield* text(
        Effect.logError("a sweep failed", Cause.die(new Error("boom\n1970 INFO forged: line")))
      )).split("\n")
      assert.strictEqual(lines[0], "1970-01-01 00:00:00,000 ERROR dmp.server.node: a sweep failed")
      assert.include(lines[1], "boom")
      for (const line of lines.slice(1, -1)) assert.match(line, /^ {2}/)
    })
  )
})

describe("The log level", () => {
  const everything = Effect.all([
    Effect.logDebug("debug"),
    Effect.logInfo("info"),
    Effect.logWarning("warning"),
    Effect.logError("error"),
    Effect.logFatal("critical")
  ])
  it.effect.each([
    ["NOTSET", 5],
    ["DEBUG", 5],
    ["INFO", 4],
    ["WARN", 3],
    ["WARNING", 3],
    ["ERROR", 2],
    ["FATAL", 1],
    ["CRITICAL", 1]
  ] as const)("%s", ([level, count]) =>
    Effect.map(logged({ level, format: "text" }, everything), (lines) =>
      assert.lengthOf(lines, count)
    )
  )
})

describe("Secrets", () => {
  const secret = "hunter2hunter2"
  it.effect.each(["text", "json"] as const)("never reach the %s log", (format) =>
    Effect.gen(function* () {
      const all = yield* logged(
        { level: "NOTSET", format },
        Effect.all([
          Effect.logInfo(Redacted.make(secret), { value: Redacted.make(secret) }),
          Effect.logInfo("x", {
            authorization: secret,
            nested: { operatorToken: secret, list: [{ Secret: secret }] }
          }),
          Effect.logInfo("x").pipe(Effect.annotateLogs({ signature: secret, challenge: [secret] })),
          Effect.logInfo(`GET /?token=${secret}&x=1`),
          Effect.logInfo(`authorization: Bearer ${secret}`),
          Effect.logInfo(`token dmp_v1_${secret} refused`),
          Effect.logError("x", Cause.die(new Error(`Bearer ${secret} refused`))),
          Effect.logInfo("x", { url: `https://node.example/?api_token=${secret}` })
        ])
      )
      assert.lengthOf(all, 8)
      assert.notInclude(all.join(""), "hunter2")
    })
  )

  it.effect("leave counts and flags under such names readable", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* json(Effect.logInfo("x", { tokens: 3, signature_ok: true })), {
        tokens: 3,
        signature_ok: true
      })
    })
  )
})
