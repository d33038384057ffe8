/**
 * Messages that cannot be answered from memory at once: anything signed and zone transfers, each
 * a fiber, and UPDATE, which is plain code that calls back. The pipeline bounds their number.
 */
import { Context, Effect, Either, Layer, Option } from "effect"
import { rcode, type as rrType } from "../wire/Codes.ts"
import * as Message from "../wire/Message.ts"
import { reply } from "../wire/Reply.ts"
import type { Exchange } from "./Exchange.ts"
import { Responder } from "./Responder.ts"
import { SignedExchange } from "./SignedExchange.ts"
import { Transfer } from "./Transfer.ts"
import type { Signer } from "./TransferAdmission.ts"
import { type Source, UpdateHandler, type UpdateReply } from "./UpdateHandler.ts"

export class SlowPath extends Context.Tag("dnsmesh/dns/SlowPath")<
  SlowPath,
  {
    /** Of an UPDATE; `conclude` is called once. */
    readonly update: (
      message: Buffer,
      exchange: Exchange,
      conclude: (done: UpdateReply) => void
    ) => void
    /** Of anything else; sends its replies itself, yields the outcome for `dmp_dns_queries_total`. */
    readonly handle: (message: Buffer, exchange: Exchange) => Effect.Effect<string>
  }
>() {
  static readonly layer = Layer.effect(
    SlowPath,
    Effect.gen(function* () {
      const kernel = yield* Responder
      const signed = yield* SignedExchange
      const transfer = yield* Transfer
      const updates = yield* UpdateHandler

      const answerSigned = (query: Message.Message, exchange: Exchange, signer: Signer) => {
        const verdict = kernel.read(query.bytes, exchange.address)
        const { transport } = exchange
        const answer = kernel.reply(query.bytes, verdict, { transport, reserve: signer.overhead })
        if (answer !== undefined) exchange.send(signer.seal(answer))
        return kernel.outcome
      }

      const signedQuery = Effect.fnUntraced(function* (query: Message.Message, exchange: Exchange) {
        const secondary = yield* transfer.signer(query)
        if (Option.isSome(secondary)) {
          if (Either.isRight(secondary.value))
            return answerSigned(query, exchange, secondary.value.right)
          exchange.send(secondary.value.left.reply)
          return secondary.value.left.outcome
        }
        const opened = signed.open(query)
        const who = Effect.isEffect(opened) ? yield* opened : opened
        if (who._tag === "Rejected") {
          exchange.send(who.reply)
          return who.outcome
        }
        const plain: Signer = { overhead: 0, seal: (reply) => reply }
        return answerSigned(query, exchange, who._tag === "Verified" ? who : plain)
      })

      return SlowPath.of({
        update: (message, exchange, conclude) =>
          updates.handle(message, sourceOf(exchange), conclude),
        handle: (message, exchange) =>
          Either.match(Message.parse(message), {
            onLeft: () =>
              Effect.sync(() => {
                exchange.send(reply(message, { rcode: rcode.FORMERR }))
                return "formerr"
              }),
            onRight: (query) => {
              const type = query.questions[0]?.type
              return type === rrType.AXFR || type === rrType.IXFR
                ? transfer.handle(query, exchange)
                : signedQuery(query, exchange)
            }
          })
      })
    })
  )
}

/** To credentials it counts whether the address may be a forgery. */
const sourceOf = ({ address, transport }: Exchange): Source => ({
  address,
  transport: transport === "udp" ? "udp" : "tcp"
})
