/** `dnsmesh-node check-config`: the effective configuration, or everything wrong with it. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Console, Effect } from "effect"
import { loadConfig } from "../Settings.ts"
import { servedZones } from "../zone/ServedZones.ts"
import { ZoneConfig } from "../zone/ZoneConfig.ts"
import * as EffectiveConfig from "./EffectiveConfig.ts"
import { startWarnings } from "./StartWarnings.ts"

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))

export const command = Command.make("check-config", { json }, (options) =>
  Effect.gen(function* () {
    const loaded = yield* loadConfig(process.env, { mayCreate: false })
    yield* Effect.provideService(servedZones, ZoneConfig, loaded.config.zone)
    yield* Console.log(
      options.json ? EffectiveConfig.asJson(loaded) : EffectiveConfig.asText(loaded)
    )
    for (const { level, message } of loaded.notices) yield* Console.error(`${level}: ${message}`)
    for (const warning of startWarnings(loaded.config)) yield* Console.error(`WARNING: ${warning}`)
  }).pipe(Effect.provide(NodeFileSystem.layer))
).pipe(Command.withDescription("Print the effective configuration; exit 78 if it is wrong"))
