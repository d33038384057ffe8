/**
 * TXT look-ups for discovery, over the servers the operator chose or the system's. A server
 * that failed, or denied what another one has, is asked last for a while.
 */
import { Clock, Context, Effect, Layer, Option, Ref } from "effect"
import { getServers } from "node:dns"
import { readFile } from "node:fs/promises"
import { createSecureContext } from "node:tls"
import { ConfigMistakes } from "../runtime/ConfigMistakes.ts"
import { ask, ResolveFailed, type TxtAnswer } from "./DnsExchange.ts"
import { HeartbeatConfig } from "./HeartbeatConfig.ts"
import { parse as parseUpstream, type Upstream } from "./Upstream.ts"

/** Milliseconds. */
const timeout = 4000
const penalty = 60_000

export class Resolver extends Context.Tag("dnsmesh/peers/Resolver")<
  Resolver,
  {
    /** The TXT values at `name`, strings joined; none where the name has none. */
    readonly txt: (name: string) => Effect.Effect<ReadonlyArray<string>, ResolveFailed>
  }
>() {
  static readonly layer = Layer.effect(
    Resolver,
    Effect.gen(function* () {
      const { dnssecRequired, resolvers, resolversCa } = yield* HeartbeatConfig
      const ca = Option.getOrUndefined(yield* Effect.transposeMapOption(resolversCa, authorities))
      const upstreams =
        resolvers.length > 0
          ? resolvers
          : getServers().flatMap((server) => Option.toArray(parseUpstream(server)))
      return Resolver.of({ txt: yield* over(upstreams, { dnssecRequired, ca }) })
    })
  )
}

/** The authorities in the file at `path`. What vouches for nobody stops the node at its start. */
const authorities = (path: string): Effect.Effect<string, ConfigMistakes> =>
  Effect.tryPromise({
    try: async () => {
      const pem = await readFile(path, "utf8")
      if (pem.trim() === "") throw new Error("it is empty")
      // Given as authorities, what is no certificate would be passed over in silence.
      createSecureContext({ cert: pem })
      return pem
    },
    catch: (error) =>
      new ConfigMistakes({
        mistakes: [
          {
            variable: "DMP_HEARTBEAT_DNS_CA_PATH",
            problem: `${path} cannot be used: ${String(error).split("\n")[0]}`
          }
        ]
      })
  })

interface Options {
  readonly dnssecRequired: boolean
  readonly ca?: string | undefined
}

/** A look-up over `upstreams`, in order of merit. */
export const over = (
  upstreams: ReadonlyArray<Upstream>,
  { ca, dnssecRequired }: Options
): Effect.Effect<Resolver["Type"]["txt"]> =>
  Effect.map(Ref.make(new Map<Upstream, number>()), (penalties) => {
    const penalise = (upstream: Upstream) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.update(penalties, (known) => new Map(known).set(upstream, now + penalty))
      )
    const inOrder = Effect.zipWith(Ref.get(penalties), Clock.currentTimeMillis, (known, now) => {
      const punished = (upstream: Upstream) => (known.get(upstream) ?? 0) > now
      return [...upstreams].sort((a, b) => Number(punished(a)) - Number(punished(b)))
    })
    const checked = (answer: TxtAnswer) =>
      // A denial without validation proves as little as an answer without it.
      dnssecRequired && !answer.authentic
        ? Effect.fail(new ResolveFailed({ message: "the answer is not validated (no AD)" }))
        : answer.rcode === "NOERROR" || answer.rcode === "NXDOMAIN"
          ? Effect.succeed(answer)
          : Effect.fail(new ResolveFailed({ message: `rcode ${answer.rcode}` }))

    return (name) =>
      Effect.gen(function* () {
        let failure = new ResolveFailed({ message: "there is no DNS server to ask" })
        let denied: Upstream | undefined
        for (const upstream of yield* inOrder) {
          const answer = yield* Effect.either(
            Effect.flatMap(ask(upstream, name, { ca, dnssec: dnssecRequired, timeout }), checked)
          )
          if (answer._tag === "Left") {
            failure = answer.left
            yield* penalise(upstream)
          } else if (answer.right.values.length > 0) {
            if (denied !== undefined) yield* penalise(denied)
            return answer.right.values
          } else denied ??= upstream
        }
        return denied === undefined ? yield* failure : []
      })
  })
