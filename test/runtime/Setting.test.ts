import { assert, describe, it } from "@effect/vitest"
import { ConfigError, ConfigProvider, Effect, Either, FastCheck, Option, Redacted } from "effect"
import * as Setting from "../../src/runtime/Setting.ts"

const read = <A>(setting: Setting.Setting<A>, environment: Record<string, string>) =>
  Effect.runSync(
    Effect.either(ConfigProvider.fromMap(new Map(Object.entries(environment))).load(setting.config))
  )

const complaint = <A>(setting: Setting.Setting<A>, environment: Record<string, string>) => {
  const result = read(setting, environment)
  assert(Either.isLeft(result), "expected a refusal")
  assert(ConfigError.isInvalidData(result.left))
  return { path: result.left.path, message: result.left.message }
}

const value = <A>(setting: Setting.Setting<A>, environment: Record<string, string>) =>
  Either.getOrThrowWith(read(setting, environment), (error) => new Error(String(error)))

const whole = Setting.integer("DMP_N", { about: "", min: 1, max: 1000, default: 60 })
const decimal = Setting.number("DMP_R", { about: "", min: 0, max: 1e6, default: 0.5 })

// What lax parsers let through: exponents, other bases, other scripts' digits, several numbers.
const hostileNumbers = [
  "1e3",
  "0x10",
  "0b1",
  "Infinity",
  "-Infinity",
  "NaN",
  "١٢",
  "１２",
  "1_000",
  "1,000",
  "1 000",
  "12a",
  "--5",
  "+-5",
  ".",
  "-",
  "+",
  "1.2.3",
  "true",
  "null",
  "9".repeat(400),
  "5\u0000"
]

describe("Setting.integer", () => {
  it.each(["1", "+7", "1000", "0042", " 12 ", "\t5\n"])("reads %j", (text) => {
    assert.strictEqual(value(whole, { DMP_N: text }), Number(text))
  })

  it.each(["0", "1001", "-1", "1.0", "1.5", ...hostileNumbers])("refuses %j", (text) => {
    const { message, path } = complaint(whole, { DMP_N: text })
    assert.strictEqual(path.at(-1), "DMP_N")
    assert.include(message, "give a whole number from 1 to 1000")
    assert.notInclude(message, "\n")
  })

  it.each(["", " ", "\t\n"])("takes %j for unset", (text) => {
    assert.strictEqual(value(whole, { DMP_N: text }), 60)
  })

  it.prop("reads every number in range, and only those", [FastCheck.integer()], ([n]) => {
    assert.strictEqual(Either.isRight(read(whole, { DMP_N: String(n) })), n >= 1 && n <= 1000)
  })

  it.prop(
    "never throws, and complains on one line",
    [FastCheck.string({ unit: "binary" })],
    ([text]) => {
      const result = read(whole, { DMP_N: text })
      if (Either.isRight(result)) assert(Number.isInteger(result.right))
      else assert.notMatch(String(result.left), /[\n\r\u2028\u0000]/)
    }
  )
})

describe("Setting.number", () => {
  it.each([
    ["0.5", 0.5],
    [".5", 0.5],
    ["5.", 5],
    ["0", 0],
    ["1000000", 1e6]
  ])("reads %j", (text, expected) => {
    assert.strictEqual(value(decimal, { DMP_R: text }), expected)
  })

  it.each(["-0.1", "1000001", ...hostileNumbers])("refuses %j", (text) => {
    assert.include(complaint(decimal, { DMP_R: text }).message, "give a number from 0 to 1000000")
  })
})

describe("Setting.boolean", () => {
  const flag = Setting.boolean("DMP_B", { about: "", default: false })

  it.each(["1", "true", "TRUE", "yes", "Yes", "on", " ON "])("reads %j as true", (text) => {
    assert.isTrue(value(flag, { DMP_B: text }))
  })
  it.each(["0", "false", "No", "OFF", ""])("reads %j as false", (text) => {
    assert.isFalse(value(flag, { DMP_B: text }))
  })
  it.each(["2", "y", "t", "enabled", "tru", "constructor", "toString", "__proto__"])(
    "refuses %j",
    (text) => {
      assert.include(complaint(flag, { DMP_B: text }).message, "1, true, yes, on")
    }
  )
})

describe("Setting.literal", () => {
  const mode = Setting.literal("DMP_M", { about: "", values: ["open", "legacy"], default: "open" })

  it("takes any case and yields its own spelling", () => {
    assert.strictEqual(value(mode, { DMP_M: "LEGACY" }), "legacy")
    assert.strictEqual(value(mode, {}), "open")
  })
  it("lists what it accepts", () => {
    assert.strictEqual(
      complaint(mode, { DMP_M: "closed" }).message,
      `"closed" is refused, give one of open, legacy`
    )
  })
})

describe("Setting.list", () => {
  const digits = Setting.list("DMP_L", {
    about: "",
    items: "digits",
    parseItem: Option.liftPredicate((item: string) => /^[0-9]$/.test(item)),
    default: () => ["7"]
  })

  it("trims, and drops empty items and repetitions", () => {
    assert.deepStrictEqual(value(digits, { DMP_L: " 1,, 2 ,1," }), ["1", "2"])
  })
  it("tells none from unset", () => {
    assert.deepStrictEqual(value(digits, { DMP_L: "None" }), [])
    assert.deepStrictEqual(value(digits, { DMP_L: "" }), ["7"])
  })
  it("refuses the whole list for one bad item", () => {
    assert.include(complaint(digits, { DMP_L: "1,22" }).message, "comma-separated digits")
  })
})

describe("Setting.secret", () => {
  const token = Setting.secret("DMP_T", { about: "", aliases: ["DMP_OLD_T"] })

  it("hides the value in the setting and in its string form", () => {
    const read = value(token, { DMP_T: "hunter2" })
    assert.strictEqual(Redacted.value(Option.getOrThrow(read)), "hunter2")
    assert.notInclude(String(read), "hunter2")
    assert.notInclude(JSON.stringify(read), "hunter2")
  })
  it.each(["hun\u0000ter2", "hüter2", "hun\nter2"])("never shows a refused value: %j", (text) => {
    const result = read(token, { DMP_OLD_T: text })
    assert(Either.isLeft(result))
    assert.notInclude(String(result.left), "ter2")
    assert.include(String(result.left), "DMP_OLD_T")
  })
})

describe("Setting names", () => {
  const aliased = Setting.integer("DMP_NEW", {
    about: "",
    aliases: ["DMP_OLD", "DMP_OLDER"],
    min: 0,
    max: 9,
    default: 0
  })

  it("asks the names in order and skips empty ones", () => {
    assert.strictEqual(value(aliased, { DMP_NEW: "1", DMP_OLD: "2" }), 1)
    assert.strictEqual(value(aliased, { DMP_NEW: "", DMP_OLD: "2", DMP_OLDER: "3" }), 2)
    assert.strictEqual(value(aliased, { DMP_OLDER: "3" }), 3)
  })
  it("names the variable that was really used", () => {
    assert.strictEqual(complaint(aliased, { DMP_OLD: "x" }).path.at(-1), "DMP_OLD")
  })
})

describe("Setting.all", () => {
  it("reports every mistake of a record at once", () => {
    const config = Setting.all({
      whole,
      decimal,
      flag: Setting.boolean("DMP_B", { about: "", default: true })
    })
    const result = Effect.runSync(
      Effect.either(
        ConfigProvider.fromMap(
          new Map([
            ["DMP_N", "a"],
            ["DMP_R", "b"],
            ["DMP_B", "c"]
          ])
        ).load(config)
      )
    )
    assert(Either.isLeft(result))
    for (const name of ["DMP_N", "DMP_R", "DMP_B"]) assert.include(String(result.left), name)
  })
})
