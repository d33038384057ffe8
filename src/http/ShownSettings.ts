/** The configuration as the operator may see it: a secret says that it is set and no more. */
import { Context } from "effect"

export interface ShownSetting {
  readonly area: string
  readonly name: string
  readonly value: string
  /** The variable it came from, or `default`. */
  readonly source: string
}

export class ShownSettings extends Context.Reference<ShownSettings>()(
  "dnsmesh/http/ShownSettings",
  { defaultValue: (): ReadonlyArray<ShownSetting> => [] }
) {}
