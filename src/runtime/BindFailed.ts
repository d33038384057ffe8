/** Why a listener could not be had, in words an operator can act on. */
import { Data, Effect } from "effect"

/** A listener's address could not be had; `message` is the one line an operator needs. */
export class BindFailed extends Data.TaggedError("BindFailed")<{ readonly message: string }> {}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use by another process",
  EACCES: "ports below 1024 need the CAP_NET_BIND_SERVICE capability",
  EADDRNOTAVAIL: "this machine does not have that address",
  EAFNOSUPPORT: "this machine does not speak that address family",
  ENOTFOUND: "that host name does not resolve"
}

export const bindFailed = (
  door: string,
  host: string,
  port: number,
  cause: NodeJS.ErrnoException
): Effect.Effect<never, BindFailed> => {
  const at = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
  const why = reasons[cause.code ?? ""] ?? cause.message
  return Effect.fail(new BindFailed({ message: `cannot listen for ${door} on ${at}: ${why}` }))
}
