/**
 * How this node speaks HTTP to others. Invariant: no redirect is followed, no octet is read or
 * unpacked beyond the cap nor read after the deadline, an address is vetted at the moment of connecting, and
 * what proves this node goes to the host it was meant for and nowhere else.
 */
import { Context, Data, Effect, Either, Layer } from "effect"
import { lookup, type LookupAddress } from "node:dns"
import http from "node:http"
import https from "node:https"
import { isIP, type LookupFunction } from "node:net"
import { gunzip } from "node:zlib"
import { type AddressRefused, type ChosenBy, type PeerUrl, vet } from "./PeerUrl.ts"

export class PeerUnreachable extends Data.TaggedError("PeerUnreachable")<{
  /** One line; names no secret. */
  readonly message: string
  /** True when the peer was reached, yet the deadline came first. */
  readonly late: boolean
}> {}

export class ReplyTooLarge extends Data.TaggedError("ReplyTooLarge")<{
  readonly cap: number
}> {}

export type PeerError = PeerUnreachable | ReplyTooLarge | AddressRefused

export interface PeerRequest {
  readonly url: PeerUrl
  readonly chosenBy: ChosenBy
  readonly method: "GET" | "POST"
  /** From the slash on, with the query. */
  readonly path: string
  /** JSON. */
  readonly body?: string
  /** Beside those of every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** True when the reply may come packed. */
  readonly gzip?: boolean
  /** Octets of the reply's body, packed and unpacked. */
  readonly maxBytes: number
  /** Milliseconds from the first step to the last octet. */
  readonly deadline: number
}

export interface PeerReply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export class PeerClient extends Context.Tag("dnsmesh/peers/PeerClient")<
  PeerClient,
  { readonly request: (request: PeerRequest) => Effect.Effect<PeerReply, PeerError> }
>() {
  static readonly layer = Layer.scoped(
    PeerClient,
    Effect.gen(function* () {
      // A kept connection was vetted for whoever chose its address: never shared between them.
      const agents = yield* Effect.acquireRelease(
        Effect.sync(() => new Map<string, http.Agent>()),
        (agents) => Effect.sync(() => agents.forEach((agent) => agent.destroy()))
      )
      /** Made when first asked for: a node without peers never loads what TLS takes. */
      const agentFor = ({ chosenBy, url: { secure } }: PeerRequest): http.Agent => {
        const key = `${chosenBy} ${secure}`
        const options = { keepAlive: true, maxSockets: 4, maxFreeSockets: 2, timeout: 60_000 }
        const agent =
          agents.get(key) ?? (secure ? new https.Agent(options) : new http.Agent(options))
        agents.set(key, agent)
        return agent
      }
      return PeerClient.of({
        request: (request) => {
          const { chosenBy, url } = request
          if (isIP(url.host) === 0) return exchange(request, agentFor(request))
          // An address literal is connected to without a look-up.
          return Either.match(vet(url.host, url.host, chosenBy), {
            onLeft: Effect.fail,
            onRight: () => exchange(request, agentFor(request))
          })
        }
      })
    })
  )
}

const unreachable = (message: string, late = false) => new PeerUnreachable({ message, late })

const exchange = (
  {
    body,
    chosenBy,
    deadline,
    gzip = false,
    headers: own,
    maxBytes,
    method,
    path,
    url
  }: PeerRequest,
  agent: http.Agent
): Effect.Effect<PeerReply, PeerError> =>
  Effect.async((resume) => {
    let refused: AddressRefused | undefined
    const vetted: LookupFunction = (hostname, options, callback) =>
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, [])
        const verdicts = addresses.map(({ address }) => vet(hostname, address, chosenBy))
        refused = verdicts.flatMap((verdict) => (Either.isLeft(verdict) ? [verdict.left] : []))[0]
        if (refused !== undefined || addresses[0] === undefined)
          return callback(Object.assign(new Error("address refused"), { code: "EREFUSED" }), [])
        if (options.all === true) callback(null, addresses)
        else callback(null, addresses[0].address, familyOf(addresses[0]))
      })
    const headers: http.OutgoingHttpHeaders = {
      accept: "application/json",
      "accept-encoding": gzip ? "gzip" : "identity",
      "user-agent": "dnsmesh-node",
      ...own
    }
    if (body !== undefined) {
      headers["content-type"] = "application/json"
      headers["content-length"] = Buffer.byteLength(body)
    }
    let done = false
    const finish = (result: Effect.Effect<PeerReply, PeerError>, keep = false) => {
      if (done) return
      done = true
      clearTimeout(timer)
      if (!keep) request.destroy()
      resume(result)
    }
    const request = (url.secure ? https : http).request(
      {
        agent,
        method,
        host: url.host,
        port: url.port,
        path: url.basePath + path,
        headers,
        lookup: vetted,
        setHost: true,
        maxHeaderSize: 16_384
      },
      (response) => {
        const chunks: Array<Buffer> = []
        let size = 0
        const announced = Number(response.headers["content-length"] ?? 0)
        if (announced > maxBytes) return finish(Effect.fail(new ReplyTooLarge({ cap: maxBytes })))
        const coding = response.headers["content-encoding"]
        const packed = gzip && coding === "gzip"
        if (coding !== undefined && !packed)
          return finish(Effect.fail(unreachable("the reply is encoded")))
        response.on("data", (chunk: Buffer) => {
          size += chunk.length
          if (size > maxBytes) finish(Effect.fail(new ReplyTooLarge({ cap: maxBytes })))
          else chunks.push(chunk)
        })
        response.on("error", (error) => finish(Effect.fail(unreachable(error.message))))
        response.on("close", () => finish(Effect.fail(unreachable("the reply was cut short"))))
        response.on("end", () => {
          if (!response.complete) return finish(Effect.fail(unreachable("the reply was cut short")))
          const { headers, statusCode = 0 } = response
          const received = Buffer.concat(chunks)
          finish(
            Effect.map(packed ? unpack(received, maxBytes) : Effect.succeed(received), (body) => ({
              status: statusCode,
              headers,
              body
            })),
            true
          )
        })
      }
    )
    const timer = setTimeout(
      () => finish(Effect.fail(unreachable(`no whole reply within ${deadline} ms`, true))),
      deadline
    )
    request.on("error", (error) => finish(Effect.fail(refused ?? unreachable(error.message))))
    request.end(body)
    return Effect.sync(() => {
      done = true
      clearTimeout(timer)
      request.destroy()
    })
  })

/** Stops at the cap, however much more there would be. */
const unpack = (octets: Buffer, maxBytes: number): Effect.Effect<Buffer, PeerError> =>
  Effect.async((resume) => {
    gunzip(octets, { maxOutputLength: maxBytes }, (error, body) => {
      if (error === null) return resume(Effect.succeed(body))
      resume(
        Effect.fail(
          "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
            ? new ReplyTooLarge({ cap: maxBytes })
            : unreachable("the reply cannot be unpacked")
        )
      )
    })
  })

const familyOf = ({ family }: LookupAddress): number => family
