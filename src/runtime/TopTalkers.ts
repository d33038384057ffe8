/**
 * Which networks are refused most, and by which limit, and which ask most. Kept in memory alone, cut to IPv4 /24 and
 * IPv6 /48, so that it points at a network and not at a person. Invariant: at most `capacity`
 * networks, whatever strangers send; a network that stands out is never pushed out by many small
 * ones (Misra–Gries), and a count is never too high.
 */
import { Context, Effect, Layer } from "effect"
import { octetsOf } from "./IpAddress.ts"
import * as UnixTime from "./UnixTime.ts"

export const limits = ["dns", "dns-connections", "http", "registration", "login"] as const
export type Limit = (typeof limits)[number]

export interface Talker {
  /** `192.0.2.0/24` or `2001:db8:1::/48`. */
  readonly network: string
  readonly limit: Limit
  /** At least so many refusals since this hour and the one before began. */
  readonly refusals: number
  /** Unix seconds. */
  readonly lastAt: number
}

export interface Asker {
  readonly network: string
  /** About so many, never too many by much: they are counted by samples. */
  readonly queries: number
  /** Unix seconds. */
  readonly lastAt: number
}

export interface TopTalkersShape {
  /** Synchronous, for the refusal paths; `address` is canonical, `times` 1 unless told. */
  readonly refused: (limit: Limit, address: string, times?: number) => void
  /** One query of a sample that stands for `times`. Synchronous. */
  readonly asked: (address: string, times: number) => void
  /** The `count` most refused, most first. */
  readonly top: (count: number) => ReadonlyArray<Talker>
  /** The `count` that ask most, most first. */
  readonly busiest: (count: number) => ReadonlyArray<Asker>
}

const capacity = 256
const hour = 3600

const dot = 0x2e
const zero = 0x30
const nine = 0x39

/** Where the dot before the last of four numbers stands; 0 in what is no IPv4 address. */
const lastDot = (address: string): number => {
  let dots = 0
  let last = 0
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at)
    if (code === dot) {
      dots++
      last = at
    } else if (code < zero || code > nine) return 0
  }
  return dots === 3 ? last : 0
}

/** `address`, canonical, cut to its /24 or /48; what is no address is `unknown`. */
export const networkOf = (address: string): string => {
  const end = lastDot(address)
  if (end > 0) return `${address.slice(0, end)}.0/24`
  if (!/^(?=.*:)[0-9a-f.:]+$/.test(address)) return "unknown"
  const octets = octetsOf(address)
  const group = (at: number) => (((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0)).toString(16)
  return `${group(0)}:${group(2)}:${group(4)}::/48`
}

interface Entry<K> {
  readonly network: string
  readonly kind: K
  count: number
  lastAt: number
}

/** Who stands out in one thing that is counted, since this hour and the one before began. */
const make = <K extends string>(now: () => number) => {
  let current = new Map<string, Entry<K>>()
  let previous = new Map<string, Entry<K>>()
  let began = now()

  const turn = (at: number): void => {
    if (at - began < hour) return
    previous = at - began < 2 * hour ? current : new Map()
    current = new Map()
    began = at
  }

  return {
    add: (kind: K, address: string, times: number): void => {
      const at = now()
      turn(at)
      const network = networkOf(address)
      const key = `${kind} ${network}`
      const held = current.get(key)
      if (held !== undefined) {
        held.count += times
        held.lastAt = at
        return
      }
      let count = times
      if (current.size >= capacity) {
        // Everybody pays the same; each such round was paid for by as many before it.
        for (const entry of current.values()) count = Math.min(count, entry.count)
        for (const [other, entry] of current) if ((entry.count -= count) <= 0) current.delete(other)
        count = times - count
      }
      if (count > 0) current.set(key, { network, kind, count, lastAt: at })
    },
    top: (most: number): ReadonlyArray<Readonly<Entry<K>>> => {
      turn(now())
      const sums = new Map<string, Entry<K>>()
      for (const [key, { count, kind, lastAt, network }] of [...previous, ...current]) {
        const sum = sums.get(key)
        sums.set(key, { network, kind, count: count + (sum?.count ?? 0), lastAt })
      }
      return [...sums.values()].sort((a, b) => b.count - a.count).slice(0, most)
    }
  }
}

const over = (now: () => number): TopTalkersShape => {
  const refusals = make<Limit>(now)
  const queries = make<"dns">(now)
  return {
    refused: (limit, address, times = 1) => refusals.add(limit, address, times),
    asked: (address, times) => queries.add("dns", address, times),
    top: (count) =>
      refusals.top(count).map(({ count, kind, lastAt, network }) => ({
        network,
        limit: kind,
        refusals: count,
        lastAt
      })),
    busiest: (count) =>
      queries.top(count).map(({ count, lastAt, network }) => ({ network, queries: count, lastAt }))
  }
}

const silent: TopTalkersShape = {
  refused: () => {},
  asked: () => {},
  top: () => [],
  busiest: () => []
}

/** Without its layer nothing is kept. */
export class TopTalkers extends Context.Reference<TopTalkers>()("dnsmesh/runtime/TopTalkers", {
  defaultValue: (): TopTalkersShape => silent
}) {
  static readonly layer = Layer.effect(
    TopTalkers,
    Effect.map(Effect.clock, (clock) => over(() => UnixTime.unsafeNow(clock)))
  )
}
