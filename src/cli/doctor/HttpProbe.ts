/** One GET over HTTP, or over HTTPS with a look at the certificate. */
import { Data, Effect } from "effect"
import http from "node:http"
import https from "node:https"
import { getCACertificates, TLSSocket } from "node:tls"

export class NoResponse extends Data.TaggedError("NoResponse")<{ readonly message: string }> {}

export interface Target {
  readonly tls: boolean
  /** Where to connect. */
  readonly address: string
  readonly port: number
  /** The name in the request, and in the certificate. */
  readonly host: string
  readonly path: string
  readonly token?: string
  /** Certificates of authorities to believe besides those everybody does, as PEM. */
  readonly authorities?: ReadonlyArray<string>
}

export interface Certificate {
  /** Why a client would not believe it; empty when it would. */
  readonly problem: string
  /** The names it is for. */
  readonly names: ReadonlyArray<string>
  /** Unix ms. */
  readonly validFrom: number
  readonly validTo: number
}

export interface Response {
  readonly status: number
  readonly body: string
  /** The server's clock, Unix ms; NaN when it does not say. */
  readonly date: number
  readonly certificate: Certificate | undefined
}

const patience = 5000
const maxBody = 4 * 1024 * 1024

const certificateOf = (socket: unknown): Certificate | undefined => {
  if (!(socket instanceof TLSSocket)) return undefined
  const { subjectaltname = "", valid_from, valid_to } = socket.getPeerCertificate()
  return {
    // The types say Error; what is there is its code.
    problem: socket.authorized ? "" : String(socket.authorizationError),
    names: subjectaltname
      .split(", ")
      .filter((name) => name !== "")
      .map((name) => name.replace(/^[A-Za-z ]+:/, "")),
    validFrom: Date.parse(valid_from),
    validTo: Date.parse(valid_to)
  }
}

export const get = (target: Target): Effect.Effect<Response, NoResponse> =>
  Effect.async<Response, NoResponse>((resume) => {
    const failed = (error: Error) => resume(Effect.fail(new NoResponse({ message: error.message })))
    const request = (target.tls ? https : http).request(
      {
        host: target.address,
        port: target.port,
        path: target.path,
        agent: false,
        headers: {
          Host: target.host,
          ...(target.token === undefined ? {} : { Authorization: `Bearer ${target.token}` })
        },
        // A bad certificate is a finding, not an obstacle; nothing secret is sent over it.
        ...(target.tls
          ? {
              servername: target.host,
              rejectUnauthorized: target.token !== undefined,
              ...(target.authorities === undefined
                ? {}
                : { ca: [...getCACertificates(), ...target.authorities] })
            }
          : {})
      },
      (response) => {
        const certificate = certificateOf(response.socket)
        const chunks: Array<Buffer> = []
        let length = 0
        response.on("data", (chunk: Buffer) => {
          length += chunk.length
          if (length > maxBody) request.destroy(new Error("the answer is too long"))
          else chunks.push(chunk)
        })
        response.on("error", failed)
        response.on("end", () =>
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString("utf8"),
              date: Date.parse(response.headers.date ?? ""),
              certificate
            })
          )
        )
      }
    )
    request.on("error", failed)
    request.end()
    return Effect.sync(() => request.destroy())
  }).pipe(
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => new NoResponse({ message: `no answer within ${patience / 1000} s` })
    })
  )
