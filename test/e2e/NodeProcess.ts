/** The built node as its own process, as an operator runs it. */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Data, Effect, type Scope } from "effect"

export const executable = new URL("../../dist/main.js", import.meta.url).pathname
const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname

/** The node did not come up, or a request got no answer. */
export class NodeProblem extends Data.TaggedError("NodeProblem")<{ readonly message: string }> {}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NodeProcess {
  readonly child: ChildProcess
  /** Everything it has printed, stdout and stderr. */
  readonly output: () => string
  readonly ended: Effect.Effect<Ended>
  readonly http: number
  readonly dns: number
}

/** A directory that goes with the scope. */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dnsmesh-e2e-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

export type Environment = Readonly<Record<string, string>>

/** Runs `dnsmesh-node` with these arguments and nothing of our own environment but PATH. */
export const launch = (
  args: ReadonlyArray<string>,
  env: Environment,
  wrapper: ReadonlyArray<string> = []
): Effect.Effect<Omit<NodeProcess, "http" | "dns">, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [command = node, ...rest] = [...wrapper, node, executable, ...args]
      const child = spawn(command, rest, {
        env: { PATH: process.env["PATH"], TZ: "UTC", ...env },
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own, so that a wrapper and the node under it end together.
        detached: true
      })
      const chunks: Array<Buffer> = []
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
      child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk))
      const ended = Effect.async<Ended>((resume) => {
        const done = () =>
          resume(Effect.succeed({ code: child.exitCode, signal: child.signalCode }))
        if (child.exitCode !== null || child.signalCode !== null) return done()
        child.once("close", done)
      })
      return { child, ended, output: () => Buffer.concat(chunks).toString() }
    }),
    ({ child, ended }) =>
      Effect.zipRight(
        Effect.sync(() => {
          if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
            process.kill(-child.pid, "SIGKILL")
        }),
        ended
      )
  )

const listening = /DMP node up: dns=\S*?:(\d+)\/\S* http=\S*?:(\d+)(?:,\S*)? /

/** Starts the node on free ports of the loopback and waits until it says it is up. */
export const start = (
  env: Environment,
  wrapper: ReadonlyArray<string> = []
): Effect.Effect<NodeProcess, NodeProblem, Scope.Scope> =>
  Effect.gen(function* () {
    const launched = yield* launch(
      ["serve"],
      {
        DMP_DNS_HOST: "127.0.0.1,::1",
        DMP_DNS_PORT: "0",
        DMP_HTTP_HOST: "127.0.0.1",
        DMP_HTTP_PORT: "0",
        DMP_DOMAIN: "mesh.test",
        ...env
      },
      wrapper
    )
    const up = Effect.sync(() => listening.exec(launched.output())).pipe(
      Effect.delay("20 millis"),
      Effect.repeat({ until: (match) => match !== null || launched.child.exitCode !== null })
    )
    const match = yield* Effect.timeoutFail(up, {
      duration: "25 seconds",
      onTimeout: () => new NodeProblem({ message: launched.output() })
    })
    if (match === null) return yield* new NodeProblem({ message: launched.output() })
    return { ...launched, dns: Number(match[1]), http: Number(match[2]) }
  })

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

export const request = (
  { http }: Pick<NodeProcess, "http">,
  path: string,
  init: RequestInit = {}
): Effect.Effect<Answer, NodeProblem> =>
  Effect.tryPromise({
    try: async () => {
      const response = await fetch(`http://127.0.0.1:${http}${path}`, init)
      return { status: response.status, headers: response.headers, body: await response.text() }
    },
    catch: (error) => new NodeProblem({ message: String(error) })
  })

export const publish = (
  node: Pick<NodeProcess, "http">,
  name: string,
  value: string,
  ttl = 300,
  token?: string
): Effect.Effect<Answer, NodeProblem> =>
  request(node, `/v1/records/${name}`, {
    method: "POST",
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: JSON.stringify({ value, ttl })
  })
