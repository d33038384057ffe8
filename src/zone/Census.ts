/**
 * What the zone holds, counted: by kind of value and by when it ends. Looks at every value, in
 * slices between which queries are answered; what changes meanwhile may or may not be counted.
 */
import { Effect } from "effect"
import { AnswerIndex } from "./AnswerIndex.ts"
import * as UnixTime from "../runtime/UnixTime.ts"

export interface KindCount {
  readonly values: number
  readonly octets: number
}

export interface Census {
  /** Owner names that hold values. */
  readonly names: number
  readonly values: number
  readonly byKind: ReadonlyMap<string, KindCount>
  /** Values that end within so many seconds and not within the step before; the last has no end. */
  readonly endings: ReadonlyArray<{ readonly within: number; readonly values: number }>
}

/** Seconds of the forecast's steps. */
const steps = [600, 3600, 21_600, 86_400, 604_800, 2_592_000, Infinity]
const slice = 2000

const breathe = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** `kindOf` names the kind of a value given as octets; it must know few kinds. */
export const take = (
  kindOf: (octets: string) => string
): Effect.Effect<Census, never, AnswerIndex> =>
  Effect.gen(function* () {
    const zone = yield* AnswerIndex
    const now = yield* UnixTime.now
    const byKind = new Map<string, { values: number; octets: number }>()
    const endings = steps.map((within) => ({ within, values: 0 }))
    let names = 0
    let values = 0
    let looked = 0
    for (const { txts } of zone.nodes()) {
      let live = 0
      for (const { expiresAt, octets } of txts) {
        if (expiresAt <= now) continue
        live++
        const kind = kindOf(octets)
        const sum = byKind.get(kind)
        if (sum === undefined) byKind.set(kind, { values: 1, octets: octets.length })
        else {
          sum.values++
          sum.octets += octets.length
        }
        const step = endings.find(({ within }) => expiresAt - now <= within)
        if (step !== undefined) step.values++
      }
      values += live
      if (live > 0) names++
      if (++looked % slice === 0) yield* breathe
    }
    return { names, values, byKind, endings }
  })
