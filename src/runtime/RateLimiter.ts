/** Token buckets by key, bounded in number: when full, the least recently used key is forgotten. */
import { Clock, Effect } from "effect"

export interface BucketOptions {
  /** Tokens per second; 0 or less lifts the limit. */
  readonly rate: number
  /** Most tokens a key can save up, and what it starts with; 0 or less lifts the limit. */
  readonly burst: number
  /** Keys remembered at once. */
  readonly maxKeys?: number
}

class Bucket {
  key: string
  tokens: number
  /** Monotonic nanoseconds. */
  at: number
  /** Its neighbours by last use: a list costs less than to keep a map's entries in that order. */
  older: Bucket = this
  newer: Bucket = this

  constructor(key: string, tokens: number, at: number) {
    this.key = key
    this.tokens = tokens
    this.at = at
  }

  /** Takes it out of the list it is in and makes it the newest of the one that ends in `end`. */
  use(end: Bucket): void {
    this.leave()
    this.older = end.older
    this.newer = end
    end.older.newer = this
    end.older = this
  }

  leave(): void {
    this.older.newer = this.newer
    this.newer.older = this.older
  }
}

/** What a key may still spend, to be told to whoever spends it. */
export interface Standing {
  /** Most it can save up. */
  readonly quota: number
  /** Whole seconds in which an empty bucket fills. */
  readonly window: number
  /** Whole tokens it has now. */
  readonly remaining: number
  /** Whole seconds until it has one more, at least 1. */
  readonly reset: number
}

export interface RateLimiter {
  /** Spends `cost` tokens of `key` if it has them. Synchronous, for the packet path. */
  readonly allow: (key: string, cost?: number) => boolean
  /** Whole seconds until `key` can spend `cost` tokens (1 unless told), at least 1. */
  readonly retryAfter: (key: string, cost?: number) => number
  /** Nothing where there is no limit. */
  readonly standing: (key: string) => Standing | undefined
  /** Drops what is remembered of `key`. */
  readonly forget: (key: string) => void
  /** Keys remembered now. */
  readonly size: () => number
  /** Keys forgotten to make room, since the start. */
  readonly evicted: () => number
}

const unlimited: RateLimiter = {
  allow: () => true,
  retryAfter: () => 1,
  standing: () => undefined,
  forget: () => {},
  size: () => 0,
  evicted: () => 0
}

/** Time comes from the `Clock` at hand when the limiter is made, monotonic nanoseconds. */
export const make = (options: BucketOptions): Effect.Effect<RateLimiter> =>
  Effect.map(Effect.clock, (clock) =>
    options.rate <= 0 || options.burst <= 0 ? unlimited : over(clock, options)
  )

const over = (
  clock: Clock.Clock,
  { rate, burst, maxKeys = 10_000 }: BucketOptions
): RateLimiter => {
  const buckets = new Map<string, Bucket>()
  /** Behind the newest and before the oldest. */
  const end = new Bucket("", 0, 0)
  let evicted = 0
  const quota = Math.floor(burst)
  const window = Math.max(1, Math.ceil(burst / rate - 1e-9))

  const nanos = () => Number(clock.unsafeCurrentTimeNanos())

  const refilled = (bucket: Bucket, now: number): number =>
    Math.min(burst, bucket.tokens + ((now - bucket.at) / 1e9) * rate)

  /** A full bucket for a key that has none: the oldest there is, when there are enough. */
  const fill = (key: string, now: number): Bucket => {
    let bucket = end.newer
    if (buckets.size < maxKeys) bucket = new Bucket(key, burst, now)
    else {
      buckets.delete(bucket.key)
      evicted++
      bucket.key = key
      bucket.tokens = burst
      bucket.at = now
    }
    buckets.set(key, bucket)
    return bucket
  }

  return {
    allow: (key, cost = 1) => {
      const now = nanos()
      let bucket = buckets.get(key)
      if (bucket === undefined) bucket = fill(key, now)
      else {
        bucket.tokens = refilled(bucket, now)
        bucket.at = now
      }
      if (bucket.newer !== end) bucket.use(end)
      if (bucket.tokens < cost) return false
      bucket.tokens -= cost
      return true
    },
    retryAfter: (key, cost = 1) => {
      const bucket = buckets.get(key)
      if (bucket === undefined) return 1
      const missing = Math.min(cost, burst) - refilled(bucket, nanos())
      return Math.max(1, Math.ceil(missing / rate))
    },
    standing: (key) => {
      const bucket = buckets.get(key)
      const tokens = bucket === undefined ? burst : refilled(bucket, nanos())
      const remaining = Math.floor(tokens)
      const reset = Math.max(1, Math.ceil((remaining + 1 - tokens) / rate))
      return { quota, window, remaining, reset }
    },
    forget: (key) => {
      buckets.get(key)?.leave()
      buckets.delete(key)
    },
    size: () => buckets.size,
    evicted: () => evicted
  }
}
