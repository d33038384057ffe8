/** The operator's commands, as processes of their own beside a running node. */
import { Effect, Schema } from "effect"
import { type Environment, launch } from "./NodeProcess.ts"

export interface Done {
  readonly code: number | null
  /** Everything printed, stdout and stderr. */
  readonly output: string
}

/** Runs `dnsmesh-node` with these arguments, to its end. */
export const runNode = (env: Environment, ...args: ReadonlyArray<string>): Effect.Effect<Done> =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* launch(args, env)
      const { code } = yield* program.ended
      return { code, output: program.output() }
    })
  )

/** Runs `dnsmesh-node-admin` with the node's environment. */
export const admin = (env: Environment, ...args: ReadonlyArray<string>): Effect.Effect<Done> =>
  runNode({ ...env, DNSMESH_PROGRAM: "dnsmesh-node-admin" }, ...args)

const AuditRow = Schema.Struct({
  ts: Schema.Number,
  event: Schema.String,
  token_hash: Schema.NullOr(Schema.String),
  subject: Schema.NullOr(Schema.String),
  remote_addr: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String)
})

/** What `audit tail --json` printed. */
export const auditRows = Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(AuditRow)))
