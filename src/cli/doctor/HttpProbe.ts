/** One GET over HTTP, or over HTTPS with a look at the certificate. */
import { Data, Effect } from "effect"
import http from "node:http"
import https from "node:https"
import { TLSSocket } from "node:tls"

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
}

export interface Certificate {
  /** Why a client would not believe it; empty when it would. */
  readonly problem: string
  /** Unix ms. */
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

const certificateOf = (socket: unknown): Certificate | undefined =>
  socket instanceof TLSSocket
    ? {
        // An Error or a code, by its kind of failure.
        problem: socket.authorized ? "" : String(socket.authorizationError),
        validTo: Date.parse(socket.getPeerCertificate().valid_to)
      }
    : undefined

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
          ? { servername: target.host, rejectUnauthorized: target.token !== undefined }
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
