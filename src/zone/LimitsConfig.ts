/** The publish caps an operator sets; `Limits` says what they mean. */
import { Config, Layer } from "effect"
import * as Setting from "../runtime/Setting.ts"
import { Limits, type LimitsShape } from "./Limits.ts"

export const settings = {
  maxTtl: Setting.integer("DMP_MAX_TTL", {
    about: "Longest TTL a client can set, in seconds. Clients publish identities for 86400.",
    min: 1,
    max: 2_147_483_647,
    default: Limits.defaults.maxTtl
  }),
  maxValueBytes: Setting.integer("DMP_MAX_VALUE_BYTES", {
    about: "Largest value of one record, in bytes.",
    min: 1,
    max: 60_000,
    default: Limits.defaults.maxValueBytes
  }),
  maxValuesPerName: Setting.integer("DMP_MAX_VALUES_PER_NAME", {
    about: "Most values at one name; 0 lifts the cap, and only the size of an answer binds.",
    min: 0,
    max: 1_000_000,
    default: Limits.defaults.maxValuesPerName
  }),
  maxValuesPerWriter: Setting.integer("DMP_MAX_VALUES_PER_WRITER", {
    about:
      "Most values one user, or one network of strangers, can have in one slot or claim name of somebody's mailbox, so that nobody fills it alone; 0 lifts the cap.",
    min: 0,
    max: 1_000_000,
    default: Limits.defaults.maxValuesPerWriter
  }),
  maxRecords: Setting.integer("DMP_MAX_RECORDS", {
    about:
      "Records in all at which users can add no more, while the operator still can; 0 lifts the cap.",
    min: 0,
    max: 1_000_000_000,
    default: Limits.defaults.maxRecords
  })
}

export const config: Config.Config<LimitsShape> = Setting.all(settings).pipe(
  Config.map((read) => ({ ...Limits.defaults, ...read }))
)

/** `Limits` from the configuration. */
export const layer = Layer.effect(Limits, config)
