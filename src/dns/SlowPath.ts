/**
 * Messages that cannot be answered from memory at once: UPDATE, anything signed, zone
 * transfers. They run as fibers, bounded in number by the pipeline.
 */
import { Context, Effect, Either, Layer, Option } from "effect"
import { opcode, rcode, type as rrType } from "../wire/Codes.ts"
import * as Message from "../wire/Message.ts"
import { reply } from "../wire/Reply.ts"
import type { Exchange } from "./Exchange.ts"
import { Responder } from "./Responder.ts"
import { SignedExchange } from "./SignedExchange.ts"
import { Transfer } from "./Transfer.ts"
import type { Signer } from "./TransferAdmission.ts"
import { type Source, UpdateHandler } from "./UpdateHandler.ts"

export class SlowPath extends Context.Tag("dnsmesh/dns/SlowPath")<
  SlowPath,
  {
    /** Sends its replies itself; yields the outcome for `dmp_dns_queries_total`. */
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

      const update = (message: Buffer, exchange: Exchange) =>
        Effect.map(updates.handle(message, sourceOf(exchange)), (done) => {
          if (done.reply !== undefined) exchange.send(done.reply)
          return done.outcome
        })

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
        const who = yield* signed.open(query)
        if (who._tag === "Rejected") {
          exchange.send(who.reply)
          return who.outcome
        }
        const plain: Signer = { overhead: 0, seal: (reply) => reply }
        return answerSigned(query, exchange, who._tag === "Verified" ? who : plain)
      })

      const handle = (message: Buffer, exchange: Exchange): Effect.Effect<string> => {
        if (Message.readHeader(message)?.opcode === opcode.UPDATE) return update(message, exchange)
        return Either.match(Message.parse(message), {
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
      }
      return SlowPath.of({ handle })
    })
  )
}

/** To credentials it counts whether the address may be a forgery. */
const sourceOf = ({ address, transport }: Exchange): Source => ({
  address,
  transport: transport === "udp" ? "udp" : "tcp"
})
