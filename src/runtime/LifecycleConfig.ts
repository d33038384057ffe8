/** How the process comes to its end. */
import { type Config, Context, Layer } from "effect"
import * as Setting from "./Setting.ts"

export const settings = {
  shutdownTimeout: Setting.seconds("DMP_SHUTDOWN_TIMEOUT", {
    about: "Seconds that requests in flight have to finish after SIGTERM or SIGINT.",
    min: 0,
    max: 3600,
    default: 10
  })
}

export interface LifecycleConfigShape {
  /** Seconds. */
  readonly shutdownTimeout: number
}

export const config: Config.Config<LifecycleConfigShape> = Setting.all(settings)

export class LifecycleConfig extends Context.Tag("dnsmesh/runtime/LifecycleConfig")<
  LifecycleConfig,
  LifecycleConfigShape
>() {
  static readonly layer = Layer.effect(LifecycleConfig, config)
}
