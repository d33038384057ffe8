/**
 * What the executable does. Serving, which it is started for and stays in memory with, loads
 * nothing of the command line.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { keepInPlaces } from "../runtime/RootFibers.ts"
import { exitCode, explain } from "./ExitCode.ts"
import { serve } from "./serving.ts"

keepInPlaces()

const asked = process.argv.slice(2).join(" ")

// `ops/bin/dnsmesh-node-admin` says under which name it was called.
const program =
  process.env["DNSMESH_PROGRAM"] !== "dnsmesh-node-admin" && (asked === "" || asked === "serve")
    ? serve
    : Effect.flatMap(
        Effect.promise(() => import("./commandLine.ts")),
        ({ run }) => run(process.argv, process.env["DNSMESH_PROGRAM"])
      )

program.pipe(
  Effect.tapErrorCause((cause) => Effect.forEach(explain(cause), (line) => Console.error(line))),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, done) => done(exitCode(exit))
  })
)
