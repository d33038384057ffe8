/**
 * Certificate and key of DNS over TLS (RFC 7858), read from files and read again when they have
 * been renewed. A file that cannot be used stops the node at its start, never later.
 */
import { readFileSync } from "node:fs"
import { createSecureContext } from "node:tls"
import { Effect, type Scope, Schedule } from "effect"
import { ConfigMistakes } from "../runtime/ConfigMistakes.ts"

export interface TlsFiles {
  readonly certificate: string
  readonly key: string
}

export interface TlsIdentity {
  readonly cert: string
  readonly key: string
}

const read = ({ certificate, key }: TlsFiles) =>
  Effect.try({
    try: (): TlsIdentity => {
      const identity = {
        cert: readFileSync(certificate, "utf8"),
        key: readFileSync(key, "utf8")
      }
      createSecureContext(identity)
      return identity
    },
    catch: (error) =>
      new ConfigMistakes({
        mistakes: [
          {
            variable: "DMP_DNS_TLS_CERT",
            problem: `the certificate or its key cannot be used: ${String(error).split("\n")[0]}`
          }
        ]
      })
  })

/** The identity as it is now; `renew` gets each later one until the scope closes. */
export const follow = (
  files: TlsFiles,
  renew: (identity: TlsIdentity) => void
): Effect.Effect<TlsIdentity, ConfigMistakes, Scope.Scope> =>
  Effect.gen(function* () {
    const first = yield* read(files)
    let known = first.cert
    yield* read(files).pipe(
      Effect.tap((identity) =>
        Effect.sync(() => {
          if (identity.cert !== known) renew(identity)
          known = identity.cert
        })
      ),
      Effect.catchAll(({ lines }) => Effect.logWarning(lines[0])),
      Effect.repeat(Schedule.spaced("10 minutes")),
      Effect.delay("10 minutes"),
      Effect.forkScoped
    )
    return first
  })
