/** Every command under its name, for whatever is more than plain serving. */
import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { Effect } from "effect"
import { build } from "../Version.ts"
import { adminCommands, runAdmin } from "./admin.ts"
import * as checkConfig from "./checkConfig.ts"
import * as cluster from "./cluster.ts"
import { operationsCommands } from "./operations.ts"
import { serve } from "./serving.ts"

const root = Command.make("dnsmesh-node", {}, () => serve).pipe(
  Command.withDescription("A node of the DNS Mesh Protocol"),
  Command.withSubcommands([
    Command.make("serve", {}, () => serve).pipe(
      Command.withDescription("Run the node in the foreground (the default)")
    ),
    checkConfig.command,
    cluster.command,
    ...operationsCommands,
    ...adminCommands
  ])
)

const version = `${build.version} (${build.commit})`

/** Runs what `argv`, the process's, asks of the program of this name. */
export const run = (argv: ReadonlyArray<string>, program: string | undefined) =>
  (program === "dnsmesh-node-admin"
    ? runAdmin(argv, version)
    : Command.run(root, { name: "dnsmesh-node", version })(argv)
  ).pipe(Effect.provide(NodeContext.layer))
