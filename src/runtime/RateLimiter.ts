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

interface Bucket {
  tokens: number
  at: bigint
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
  let evicted = 0
  const quota = Math.floor(burst)
  const window = Math.max(1, Math.ceil(burst / rate - 1e-9))

  const refilled = (bucket: Bucket, now: bigint): number =>
    Math.min(burst, bucket.tokens + (Number(now - bucket.at) / 1e9) * rate)

  return {
    allow: (key, cost = 1) => {
      const now = clock.unsafeCurrentTimeNanos()
      let bucket = buckets.get(key)
      if (bucket === undefined) {
        if (buckets.size >= maxKeys) {
          const oldest = buckets.keys().next()
          if (!oldest.done) buckets.delete(oldest.value)
          evicted++
        }
        bucket = { tokens: burst, at: now }
      } else {
        bucket.tokens = refilled(bucket, now)
        bucket.at = now
        buckets.delete(key)
      }
      buckets.set(key, bucket)
      if (bucket.tokens < cost) return false
      bucket.tokens -= cost
      return true
    },
    retryAfter: (key, cost = 1) => {
      const bucket = buckets.get(key)
      if (bucket === undefined) return 1
      const missing = Math.min(cost, burst) - refilled(bucket, clock.unsafeCurrentTimeNanos())
      return Math.max(1, Math.ceil(missing / rate))
    },
    standing: (key) => {
      const bucket = buckets.get(key)
      const tokens = bucket === undefined ? burst : refilled(bucket, clock.unsafeCurrentTimeNanos())
      const remaining = Math.floor(tokens)
      const reset = Math.max(1, Math.ceil((remaining + 1 - tokens) / rate))
      return { quota, window, remaining, reset }
    },
    forget: (key) => void buckets.delete(key),
    size: () => buckets.size,
    evicted: () => evicted
  }
}
