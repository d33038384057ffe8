/** `records check`: whether what is stored is what a node would store, and how to mend what is not. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Stream } from "effect"
import * as DatabaseCopy from "../../sql/DatabaseCopy.ts"
import * as RecordReader from "../../sql/RecordReader.ts"
import { failed } from "../AdminFailure.ts"
import { settings } from "../AdminStores.ts"
import { asText, type Finding, fail, ok, warn } from "../doctor/Finding.ts"
import * as Chosen from "./Chosen.ts"
import { Inspection, type Trouble } from "./Inspection.ts"
import { policyOf } from "./Judgement.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"

const strict = Options.boolean("strict").pipe(
  Options.withDescription("Hold records against DMP_RECORD_VALIDATION=strict")
)
const quick = Options.boolean("quick").pipe(
  Options.withDescription("Leave signatures and contents out: they take most of the time")
)
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

const findingOf = ({ code, count, level, names, remedy }: Trouble): Finding => {
  const some = names.length === 0 ? "" : `, such as ${names.join(", ")}`
  const message = `${count} record${count === 1 ? "" : "s"}${some}`
  return level === "fail" ? fail(code, message, remedy) : warn(code, message, remedy)
}

const damaged = (message: string) =>
  fail(
    "database",
    message,
    "stop the node, keep the file, and restore a backup: dnsmesh-node restore"
  )

export const check = Command.make("check", { strict, quick, json }, (given) =>
  Effect.gen(function* () {
    const config = yield* settings
    const path = yield* Chosen.database(config)
    const now = yield* UnixTime.now
    const whole = yield* DatabaseCopy.checkIntegrity(path).pipe(
      Effect.match({ onSuccess: () => undefined, onFailure: ({ message }) => damaged(message) })
    )
    const inspection = new Inspection(
      config,
      given.quick ? undefined : policyOf(config, given.strict),
      now
    )
    if (whole === undefined)
      yield* Stream.runForEach(RecordReader.rows(path, {}), (rows) =>
        Effect.sync(() => {
          for (const row of rows) inspection.take(row)
        })
      )
    const troubles = whole === undefined ? inspection.troubles : []
    const findings = [
      whole ?? ok("database", `${path} is sound`),
      ...troubles.map(findingOf),
      ok("rows", `${inspection.rows} looked at, ${inspection.live} of them live`)
    ]
    yield* Console.log(
      given.json
        ? JSON.stringify(
            { rows: inspection.rows, live: inspection.live, troubles, findings },
            null,
            2
          )
        : asText(findings)
    )
    const failures = findings.filter(({ level }) => level === "fail").length
    if (failures > 0) return yield* failed(`dnsmesh-node: ${failures} kinds of failure`)
  })
).pipe(
  Command.withDescription(
    "Look at every record, beside a running node or without one; exit 1 on failures"
  )
)
