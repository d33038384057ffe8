/** The executable. */
import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { adminCommands, runAdmin } from "./cli/admin.ts"
import * as checkConfig from "./cli/checkConfig.ts"
import * as cluster from "./cli/cluster.ts"
import { exitCode, explain } from "./cli/ExitCode.ts"
import { operationsCommands } from "./cli/operations.ts"
import * as serve from "./cli/serve.ts"
import { build } from "./Version.ts"

const root = Command.make("dnsmesh-node", {}, () => serve.serve).pipe(
  Command.withDescription("A node of the DNS Mesh Protocol"),
  Command.withSubcommands([
    serve.command,
    checkConfig.command,
    cluster.command,
    ...operationsCommands,
    ...adminCommands
  ])
)

const version = `${build.version} (${build.commit})`

// `ops/bin/dnsmesh-node-admin` says under which name it was called.
const program =
  process.env["DNSMESH_PROGRAM"] === "dnsmesh-node-admin"
    ? runAdmin(process.argv, version)
    : Command.run(root, { name: "dnsmesh-node", version })(process.argv)

program.pipe(
  Effect.tapErrorCause((cause) => Effect.forEach(explain(cause), (line) => Console.error(line))),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, done) => done(exitCode(exit))
  })
)
