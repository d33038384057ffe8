/**
 * `records import`: publishes the records of a text, through a running node where there is one,
 * and says of each that was not taken why.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Chunk, Console, Effect, Option, Redacted, Stream } from "effect"
import { createReadStream } from "node:fs"
import { readFile } from "node:fs/promises"
import { defaultTtl, maxBatch } from "../../http/RecordsApi.ts"
import type { NodeConfig } from "../../Settings.ts"
import * as UnixTime from "../../runtime/UnixTime.ts"
import { type AdminFailure, failed, usage } from "../AdminFailure.ts"
import { settings } from "../AdminStores.ts"
import * as Text from "../AdminText.ts"
import * as Local from "../doctor/Local.ts"
import * as Chosen from "./Chosen.ts"
import { ImportText, type Item, type Read } from "./ImportText.ts"
import { lines } from "./Lines.ts"
import * as RecordText from "./RecordText.ts"
import * as RunningNode from "./RunningNode.ts"
import { Summary } from "./Summary.ts"
import * as Targets from "./Targets.ts"

/** Characters of names and values in one batch: escaped, they stay below what a node takes. */
const batchChars = 200_000

const input = Args.text({ name: "file" }).pipe(
  Args.withDescription("A file, or - for the standard input")
)
const options = {
  format: Options.choice("format", RecordText.formats).pipe(
    Options.optional,
    Options.withDescription("json or zone; without it the first line tells")
  ),
  url: Options.text("url").pipe(
    Options.optional,
    Options.withDescription("The node to import into, when not the one of this environment")
  ),
  tokenFile: Options.text("token-file").pipe(
    Options.optional,
    Options.withDescription("File with the token to use instead of this environment's")
  ),
  dryRun: Options.boolean("dry-run").pipe(
    Options.withDescription("Only say what would be taken and what refused")
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Print the summary as JSON"))
}

const cannotRead = (error: unknown) =>
  failed(`error: ${error instanceof Error ? error.message : String(error)}`)

const reads = (
  file: string,
  format: Option.Option<RecordText.Format>
): Stream.Stream<Read, AdminFailure> =>
  Stream.suspend(() => {
    const text = new ImportText(format)
    const source = file === "-" ? process.stdin : createReadStream(file)
    return Stream.fromAsyncIterable(lines(source), cannotRead).pipe(
      Stream.mapConcat((line) => text.next(line)),
      Stream.concat(Stream.suspend(() => Stream.fromIterable(text.end())))
    )
  })

const waiting = (seconds: number) =>
  seconds < 5 ? Effect.void : Console.error(`the node asks to wait ${seconds} s`)

const overHttp = (config: NodeConfig, url: string, token: Option.Option<Redacted.Redacted>) =>
  RunningNode.make({
    url,
    token: Option.orElse(token, () => config.auth.operatorToken),
    waiting
  })

const localUrl = (config: NodeConfig): string => {
  const { host, port } = Local.httpServer(config)
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`
}

const target = (
  config: NodeConfig,
  given: {
    readonly url: Option.Option<string>
    readonly dryRun: boolean
    readonly token: Option.Option<Redacted.Redacted>
  }
) =>
  Effect.gen(function* () {
    if (Option.isSome(given.url)) {
      if (given.dryRun) return yield* usage("error: --dry-run is about this node, not --url")
      const url = given.url.value.replace(/\/$/, "")
      if (!/^https?:\/\/[^/?#\s]+$/.test(url))
        return yield* usage(`error: --url: '${given.url.value}' is no http or https origin`)
      return overHttp(config, url, given.token)
    }
    yield* Chosen.database(config)
    if (given.dryRun) return yield* Targets.picture(config)
    return yield* Effect.catchIf(
      Targets.stopped(config),
      (error) => error.reason === "in-use",
      () => Effect.succeed(overHttp(config, localUrl(config), given.token))
    )
  })

/** Batches of records that fit one request. */
const batched = (items: Stream.Stream<Item, AdminFailure>) =>
  items.pipe(
    Stream.mapAccum({ count: 0, chars: 0, batch: 0 }, (state, item) => {
      const chars = item.name.length + item.value.length
      const full = state.count >= maxBatch || state.chars + chars > batchChars
      const next = full
        ? { count: 1, chars, batch: state.batch + 1 }
        : { count: state.count + 1, chars: state.chars + chars, batch: state.batch }
      return [next, { item, batch: next.batch }]
    }),
    Stream.groupAdjacentBy(({ batch }) => batch),
    Stream.map(([, group]) => Chunk.toReadonlyArray(group).map(({ item }) => item))
  )

export const importRecords = Command.make("import", { input, ...options }, (given) =>
  Effect.gen(function* () {
    const config = yield* settings
    const token = yield* Effect.transposeOption(
      Option.map(given.tokenFile, (file) =>
        Effect.tryPromise({ try: () => readFile(file, "utf8"), catch: cannotRead })
      )
    )
    const to = yield* target(config, {
      url: given.url,
      dryRun: given.dryRun,
      token: Option.map(token, (text) => Redacted.make(text.trim()))
    })
    const summary = new Summary(to.where, config.zone.zones)
    const now = yield* UnixTime.now
    const items = reads(given.input, given.format).pipe(
      Stream.filterMap((read) => summary.admit(read, now))
    )
    yield* Stream.runForEach(batched(items), (batch) =>
      Effect.gen(function* () {
        const at = yield* UnixTime.now
        const outcomes = yield* to.publish(
          batch.map(({ expiresAt, name, ttl, value }) => ({
            name,
            value,
            ttl: expiresAt === undefined ? (ttl ?? defaultTtl) : Math.max(1, expiresAt - at)
          }))
        )
        summary.published(batch, outcomes)
      })
    )
    yield* given.json ? Text.printJson(summary.plain) : Console.log(summary.text)
    if (summary.failures > 0) return yield* failed("")
  }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Publish the records of a file: through the running node, or into a stopped one's database"
  )
)
