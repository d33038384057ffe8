/**
 * Tells systemd what it wants to know of a `Type=notify` service. Invariant: outside systemd,
 * and when telling fails, the node runs on as if nothing had been asked.
 *
 * A message is one datagram to a Unix socket, which Node cannot send; `systemd-notify`, there
 * wherever systemd is, can. Starting a program holds up the event loop (12 ms in the median with
 * 250 MB resident, measured), so one shell is started when the node is ready, and starts
 * `systemd-notify` for each line it gets. Hence `NotifyAccess=all` in the unit.
 */
import { Duration, Effect, Option, Schedule, type Scope } from "effect"
import { spawn } from "node:child_process"
import type { Environment } from "./Environment.ts"

/** Ends with its input, not with the signal that systemd sends to all of the unit. */
const relay = "trap '' TERM INT; while read -r line; do systemd-notify \"$line\"; done"

/** How long the last message may take to get out, in ms. */
const patience = 2000

/** How often systemd wants a sign of life from this process, if it does. */
export const watchdogInterval = (
  environment: Environment,
  pid: number
): Option.Option<Duration.Duration> => {
  const micros = environment["WATCHDOG_USEC"] ?? ""
  const forPid = environment["WATCHDOG_PID"] ?? ""
  return /^[1-9][0-9]{0,14}$/.test(micros) && (forPid === "" || forPid === String(pid))
    ? Option.some(Duration.micros(BigInt(micros)))
    : Option.none()
}

type Notify = (assignment: string) => void

/** The shell, for as long as the scope; what was said before it closes still gets out. */
const start = (socket: string, path: string): Effect.Effect<Notify, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn("/bin/sh", ["-c", relay], {
        env: { NOTIFY_SOCKET: socket, PATH: path },
        stdio: ["pipe", "ignore", "inherit"]
      })
      // Without the shell nobody is told; that is no reason to end.
      child.on("error", () => {})
      child.stdin.on("error", () => {})
      return child
    }),
    (child) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
          return resume(Effect.void)
        const cutOff = setTimeout(() => child.kill("SIGKILL"), patience)
        child.once("exit", () => {
          clearTimeout(cutOff)
          resume(Effect.void)
        })
        child.stdin.end()
      })
  ).pipe(Effect.map((child) => (assignment) => void child.stdin.write(`${assignment}\n`)))

/**
 * Says that the node is ready, that it lives for as long as its event loop turns, and, when the
 * scope closes, that it is stopping. Does nothing when nobody listens.
 */
export const announce = (
  environment: Environment,
  status: string
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = environment["NOTIFY_SOCKET"] ?? ""
    if (socket === "") return
    const tell = yield* start(socket, environment["PATH"] ?? "/usr/bin:/bin")
    tell("READY=1")
    tell(`STATUS=${status}`)
    yield* Effect.addFinalizer(() => Effect.sync(() => tell("STOPPING=1")))
    const interval = watchdogInterval(environment, process.pid)
    if (Option.isNone(interval)) return
    yield* Effect.sync(() => tell("WATCHDOG=1")).pipe(
      Effect.repeat(Schedule.spaced(Duration.times(interval.value, 0.5))),
      Effect.forkScoped
    )
  })
