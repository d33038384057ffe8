/** What class CH tells about this server: no more than the configuration wants known (RFC 4892). */
import { toWireKey, unsafeMake, type WireKey } from "../wire/Name.ts"

const key = (name: string) => toWireKey(unsafeMake(name))

/** The texts by name; a name without one is refused. */
export const chaosTexts = (settings: {
  readonly nsid?: string | undefined
  readonly version?: string | undefined
}): ReadonlyMap<WireKey, string> =>
  new Map(
    [
      ["id.server", settings.nsid] as const,
      ["hostname.bind", settings.nsid] as const,
      ["version.server", settings.version] as const,
      ["version.bind", settings.version] as const
    ].flatMap(([name, text]) => (text === undefined ? [] : [[key(name), text] as const]))
  )
