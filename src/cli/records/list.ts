/** `records list`: what a node holds, filtered, one line a record. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Effect, Stream } from "effect"
import * as Ago from "../../http/Ago.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"
import { settings } from "../AdminStores.ts"
import * as Output from "../Output.ts"
import * as Chosen from "./Chosen.ts"

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

/** Characters of a value that a line shows. */
const shown = 40

const line = ({ expiresAt, name, value }: Chosen.Row, now: number): string => {
  const left = expiresAt > now ? Ago.span(expiresAt - now) : "over"
  const text = value.replace(/[^\x20-\x7e]/g, "?")
  return (
    [
      left.padStart(5),
      Chosen.kindOf(value).padEnd(10),
      String(Buffer.byteLength(value)).padStart(6),
      name,
      text.length > shown ? `${text.slice(0, shown)}…` : text
    ].join("  ") + "\n"
  )
}

const head = `${[" LEFT", "KIND".padEnd(10), " BYTES", "NAME", "VALUE"].join("  ")}\n`

export const plain = (row: Chosen.Row, now: number) => ({
  name: row.name,
  kind: Chosen.kindOf(row.value),
  value: row.value,
  ttl: row.ttl,
  written_at: row.createdAt,
  expires_at: row.expiresAt,
  seconds_left: Math.max(0, row.expiresAt - now)
})

export const list = Command.make("list", { ...Chosen.options, json }, (given) =>
  Effect.gen(function* () {
    const path = yield* Chosen.database(yield* settings)
    const rows = yield* Chosen.rows(path, given)
    const now = yield* UnixTime.now
    const write = yield* Output.standard
    if (!given.json) yield* write(head)
    let count = 0
    yield* Stream.runForEach(Stream.rechunk(rows, 100).pipe(Stream.chunks), (chunk) => {
      const texts = [...chunk].map((row) =>
        given.json
          ? `${count++ === 0 ? "[" : ","}\n  ${JSON.stringify(plain(row, now))}`
          : line(row, now)
      )
      return write(texts.join(""))
    })
    if (given.json) yield* write(count === 0 ? "[]\n" : "\n]\n")
  }).pipe(
    Effect.scoped,
    Effect.catchTag("ReaderGone", () => Effect.void)
  )
).pipe(Command.withDescription("List records by name, beside a running node or without one"))
