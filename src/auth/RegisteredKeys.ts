/**
 * The TSIG keys that registration has issued, as a start finds them: subjects whose only trace is
 * a key get an owner, no key keeps names that are no longer its own, and the live ones are counted.
 */
import { Effect, Metric, Option, Schedule } from "effect"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import * as AuthMetrics from "./AuthMetrics.ts"
import * as Inheritance from "./Inheritance.ts"
import { TokenStore } from "./TokenStore.ts"
import { isActive } from "./TsigKey.ts"
import { TsigKeyStore } from "./TsigKeyStore.ts"
import * as TsigMint from "./TsigMint.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

/** Must have ended before anybody registers: who comes first would own what others hold. */
export const settle = Effect.gen(function* () {
  const tokens = yield* TokenStore
  const keys = yield* TsigKeyStore
  const { servedZone } = yield* ZoneConfig
  const held = (yield* keys.list).filter((key) => key.subject !== "")
  yield* tokens.adopt(Inheritance.owners(held.map(TsigMint.evidence), yield* UnixTime.now))
  if (Option.isNone(servedZone)) return
  for (const key of held) {
    const kept = TsigMint.withoutForeignNames(key, servedZone.value)
    if (kept === undefined) continue
    yield* keys.rescope(key.name, kept)
    yield* Effect.logWarning(`TSIG key ${key.name} no longer writes names of ${servedZone.value}`)
  }
})

/** Keeps the gauge of live keys, until the scope ends. */
export const count = Effect.gen(function* () {
  const keys = yield* TsigKeyStore
  const once = Effect.gen(function* () {
    const at = yield* UnixTime.now
    const active = (yield* keys.list).filter((key) => isActive(key, at))
    yield* Metric.set(AuthMetrics.tsigKeysLive, active.length)
  }).pipe(Effect.catchAllCause((cause) => Effect.logWarning("TSIG keys were not counted", cause)))
  yield* Effect.forkScoped(Effect.repeat(once, Schedule.spaced("1 minute")))
})
