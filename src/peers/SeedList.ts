/**
 * Public lists of zones, for nodes that know nobody yet. Nothing is fetched unless a list is
 * named. A fetch that yields no sound list keeps the last one that was.
 */
import { Context, Effect, Layer, Option, Schedule } from "effect"
import * as Name from "../wire/Name.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import * as HeartbeatMetrics from "./HeartbeatMetrics.ts"
import { PeerClient } from "./PeerClient.ts"
import type { PeerUrl } from "./PeerUrl.ts"
import { Reload } from "./Reload.ts"

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
      .split("\n")
      .map((line) => line.replace(/#.*$/, "").trim())
      .filter((line) => line !== "")
    const zones = lines.flatMap((line) =>
      Option.toArray(Option.filter(Name.parse(line), (zone) => zone.includes(".")))
    )
    return zones.length === 0 || zones.length < lines.length || zones.length > maxZones
      ? Option.none()
      : Option.some([...new Set(zones)])
  })

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
      const lists = new Map<string, ReadonlyArray<Name.Name>>()

      const fetch = (url: PeerUrl) =>
        client
          .request({ url, chosenBy: "stranger", method: "GET", path: "", maxBytes, deadline })
          .pipe(
            Effect.flatMap(({ body, status }) =>
              status === 200 ? parse(body) : Option.none<ReadonlyArray<Name.Name>>()
            ),
            Effect.matchEffect({
              onSuccess: (zones) =>
                Effect.sync(() => {
                  lists.set(url.href, zones)
                  HeartbeatMetrics.seedList("ok")
                }),
              onFailure: (error) => {
                HeartbeatMetrics.seedList("failed")
                return Effect.logWarning(`the seed list ${url.href} was not read: ${error._tag}`)
              }
            })
          )
      const fetchAll = Effect.forEach(seedUrls, fetch, { concurrency: 4, discard: true })
      if (enabled && seedUrls.length > 0) {
        yield* reload.register("the public seed lists", fetchAll)
        yield* fetchAll.pipe(
          Effect.repeat(Schedule.jittered(Schedule.spaced("6 hours"))),
          Effect.forkScoped
        )
      }
      return SeedList.of({ zones: () => seedUrls.flatMap(({ href }) => lists.get(href) ?? []) })
    })
  )
}
