/**
 * Public lists of zones, for nodes that know nobody yet. Nothing is fetched unless a list is
 * named. A fetch that yields no sound list keeps the last one that was, over restarts too.
 */
import { Context, Effect, Layer, Option, Schedule } from "effect"
import type { StoreError } from "../zone/RecordStore.ts"
import * as Name from "../wire/Name.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as HeartbeatMetrics from "./HeartbeatMetrics.ts"
import { PeerClient, type PeerReply } from "./PeerClient.ts"
import type { PeerUrl } from "./PeerUrl.ts"
import { Reload } from "./Reload.ts"
import { SeenStore } from "./SeenStore.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

const maxBytes = 65_536
const maxZones = 1000
/** Milliseconds in all. */
const deadline = 10_000

const utf8 = new TextDecoder("utf-8", { fatal: true })

/**
 * One zone a line; blank lines and those that start with `#` count for nothing. Nothing at all
 * when the octets are no such list: a page of HTML must not empty what was known.
 */
export const parse = (octets: Uint8Array): Option.Option<ReadonlyArray<Name.Name>> =>
  Option.flatMap(Option.liftThrowable(() => utf8.decode(octets))(), (text) => {
    const lines = text
      .split(/\r?\n/)
      .map((line) => line.replace(/#.*$/, "").trim())
      .filter((line) => line !== "")
    const zones = lines.flatMap((line) =>
      // An address is no zone: nothing could be asked there.
      Option.toArray(Option.filter(Name.parse(line), (zone) => /\.[^.]*[^0-9.][^.]*$/.test(zone)))
    )
    return zones.length === 0 || zones.length < lines.length || zones.length > maxZones
      ? Option.none()
      : Option.some([...new Set(zones)])
  })

/** A list with when it was fetched, Unix seconds. */
interface Held {
  readonly zones: ReadonlyArray<Name.Name>
  readonly fetchedAt: number
}

export class SeedList extends Context.Tag("dnsmesh/peers/SeedList")<
  SeedList,
  { readonly zones: () => ReadonlyArray<Name.Name> }
>() {
  static readonly layer = Layer.scoped(
    SeedList,
    Effect.gen(function* () {
      const { enabled, seedUrls } = yield* HeartbeatConfig
      const client = yield* PeerClient
      const reload = yield* Reload
      const store = yield* SeenStore
      const lists = new Map<string, Held>()
      const report = () => {
        const times = [...lists.values()].map(({ fetchedAt }) => fetchedAt)
        HeartbeatMetrics.setSeedListsAt(times.length === 0 ? 0 : Math.min(...times))
      }
      const unkept = (error: StoreError) =>
        Effect.logWarning(`seed lists outlive no restart: ${error.reason}`)

      /** What was good before the restart, judged anew: the file may have been changed. */
      const restore = Effect.gen(function* () {
        const now = yield* UnixTime.now
        for (const { fetchedAt, text, url } of yield* store.seedLists) {
          const zones = seedUrls.some(({ href }) => href === url)
            ? parse(Buffer.from(text))
            : Option.none()
          if (Option.isNone(zones)) {
            yield* store.forgetSeedList(url)
            continue
          }
          lists.set(url, { zones: zones.value, fetchedAt: Math.min(now, fetchedAt) })
          yield* Effect.logInfo(
            `the seed list ${url} names ${zones.value.length} zones as of ${ago(now - fetchedAt)}`
          )
        }
        report()
      }).pipe(Effect.catchAll(unkept))

      const fetch = (url: PeerUrl) =>
        client
          .request({ url, chosenBy: "stranger", method: "GET", path: "", maxBytes, deadline })
          .pipe(
            Effect.flatMap((reply) =>
              isWhole(reply) ? parse(reply.body) : Option.none<ReadonlyArray<Name.Name>>()
            ),
            Effect.matchEffect({
              onSuccess: (zones) =>
                Effect.gen(function* () {
                  const fetchedAt = yield* UnixTime.now
                  lists.set(url.href, { zones, fetchedAt })
                  report()
                  HeartbeatMetrics.seedList("ok")
                  yield* store
                    .saveSeedList({ url: url.href, text: zones.join("\n"), fetchedAt })
                    .pipe(Effect.catchAll(unkept))
                }),
              onFailure: (error) =>
                Effect.gen(function* () {
                  HeartbeatMetrics.seedList("failed")
                  const held = lists.get(url.href)
                  const kept =
                    held === undefined
                      ? "there is none to fall back on"
                      : `the one of ${ago((yield* UnixTime.now) - held.fetchedAt)} stays`
                  yield* Effect.logWarning(
                    `the seed list ${url.href} was not read (${error._tag}): ${kept}`
                  )
                })
            })
          )
      const fetchAll = Effect.forEach(seedUrls, fetch, { concurrency: 4, discard: true })
      if (enabled && seedUrls.length > 0) {
        yield* restore
        yield* reload.register(
          "the public seed lists",
          Effect.map(fetchAll, () => {
            const known = [...lists.values()].reduce((sum, { zones }) => sum + zones.length, 0)
            return `${lists.size} of ${seedUrls.length} are known, with ${known} zones`
          })
        )
        yield* fetchAll.pipe(
          Effect.repeat(Schedule.jittered(Schedule.spaced("6 hours"))),
          Effect.forkScoped
        )
      }
      return SeedList.of({
        zones: () => seedUrls.flatMap(({ href }) => lists.get(href)?.zones ?? [])
      })
    }).pipe(Effect.annotateLogs({ logger: "dmp.server.heartbeat" }))
  )
}

/** Nothing tells the end of a body without a length but its last line's: it may be cut. */
const isWhole = ({ body, headers, status }: PeerReply): boolean =>
  status === 200 &&
  (headers["content-length"] !== undefined ||
    headers["transfer-encoding"] !== undefined ||
    body.at(-1) === newline)

const newline = 0x0a

const ago = (seconds: number): string => {
  if (seconds < 120) return "now"
  return seconds < 172_800
    ? `${Math.round(seconds / 3600)} hours ago`
    : `${Math.round(seconds / 86_400)} days ago`
}
