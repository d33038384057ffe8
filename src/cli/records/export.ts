/** `records export`: records as a text that `records import` and other software read. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Option, Stream } from "effect"
import { settings } from "../AdminStores.ts"
import * as Output from "../Output.ts"
import * as Chosen from "./Chosen.ts"
import * as RecordText from "./RecordText.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"

const format = Options.choice("format", RecordText.formats).pipe(
  Options.withDefault("json" as const),
  Options.withDescription("json: a line a record, with its end; zone: a master file")
)
const output = Args.text({ name: "file" }).pipe(
  Args.withDescription("A file, or - for the standard output"),
  Args.optional
)

export const exportRecords = Command.make(
  "export",
  { output, format, ...Chosen.options },
  (given) =>
    Effect.gen(function* () {
      const path = yield* Chosen.database(yield* settings)
      const rows = yield* Chosen.rows(path, given)
      const now = yield* UnixTime.now
      const count = yield* Output.writing(given.output, (write) =>
        Effect.gen(function* () {
          if (given.format === "zone") yield* write(RecordText.zoneHead(now))
          const text = (row: Chosen.Row) =>
            given.format === "zone" ? RecordText.zoneLine(row, now) : RecordText.jsonLine(row)
          return yield* Stream.runFoldEffect(
            Stream.chunks(Stream.rechunk(rows, 100)),
            0,
            (count, chunk) => Effect.as(write([...chunk].map(text).join("")), count + chunk.length)
          )
        })
      )
      if (Option.isSome(given.output) && given.output.value !== "-")
        yield* Console.error(`${given.output.value}: ${count} records`)
    }).pipe(Effect.catchTag("ReaderGone", () => Effect.void))
).pipe(Command.withDescription("Write records to a file, while the node runs or not"))
