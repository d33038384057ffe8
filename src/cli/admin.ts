/**
 * The operator's commands under both names: as groups of `dnsmesh-node`, and as
 * `dnsmesh-node-admin`, whose `--db`, outputs and exit codes scripts know (2 for a wrong command
 * line, 1 for what could not be done).
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Effect, Option } from "effect"
import { AdminFailure } from "./AdminFailure.ts"
import { AdminFiles } from "./AdminStores.ts"
import { audit } from "./audit.ts"
import { records } from "./records.ts"
import { registration } from "./registration.ts"
import { subjects } from "./subject.ts"
import { token } from "./token.ts"
import { tsig } from "./tsig.ts"

const here = { tokenDb: Option.none() }

/** The groups for `dnsmesh-node`: on the node's own databases. */
export const adminCommands = [
  Command.provideSync(token, AdminFiles, here),
  Command.provideSync(tsig, AdminFiles, here),
  Command.provideSync(subjects, AdminFiles, here),
  Command.provideSync(audit, AdminFiles, here),
  Command.provideSync(registration, AdminFiles, here),
  Command.provideSync(records, AdminFiles, here)
] as const

const admin = Command.make("dnsmesh-node-admin", {
  db: Options.text("db").pipe(
    Options.optional,
    Options.withDescription("The token database, when it is not the node's")
  )
}).pipe(
  Command.withDescription("Credentials of a DNS Mesh node"),
  Command.withSubcommands([token, audit, tsig, subjects, registration]),
  Command.provideSync(AdminFiles, ({ db }) => ({ tokenDb: db }))
)

/** Runs `dnsmesh-node-admin`; `argv` is the process's, with the program's name second. */
export const runAdmin = (argv: ReadonlyArray<string>, version: string) =>
  Command.run(admin, { name: "dnsmesh-node-admin", version })(argv).pipe(
    // The command line's own complaints are printed already.
    Effect.mapError((error) =>
      ValidationError.isValidationError(error)
        ? new AdminFailure({ exitCode: 2, message: "" })
        : error
    )
  )
