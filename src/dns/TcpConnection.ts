/**
 * One DNS connection over TCP: many queries, answered as they are ready (RFC 7766 §6.2.1.1),
 * the answers to what one chunk brought in one write. It keeps its own clock readings, so
 * that one sweep over all connections enforces every deadline.
 */
import type { Socket } from "node:net"
import { Effect } from "effect"
import { frame, frameLength, TcpFrames } from "../wire/TcpFrames.ts"
import type { Exchange } from "./Exchange.ts"
import type { PipelineShape } from "./Pipeline.ts"

/** A message of so many octets is sent from where it lies; smaller ones are put together. */
const large = 4096

/** Octets a client may leave unread before we stop reading from it. */
const maxUnread = 256 * 1024

export interface Deadlines {
  /** Milliseconds without a query after which the connection ends. */
  readonly idle: number
  /** Milliseconds one message may take to arrive, or one answer to be taken. */
  readonly message: number
}

export class TcpConnection implements Exchange {
  readonly #socket: Socket
  readonly transport: "tcp" | "tls"
  readonly address: string
  readonly writable: Effect.Effect<void>
  readonly #pipeline: PipelineShape
  readonly #now: () => number
  readonly #frames = new TcpFrames()
  #unanswered = 0
  #batch: Array<Buffer> | undefined
  #lastQuery: number
  #partialSince: number | undefined
  #stalledSince: number | undefined
  #ending = false

  constructor(
    socket: Socket,
    transport: "tcp" | "tls",
    address: string,
    pipeline: PipelineShape,
    now: () => number
  ) {
    this.#socket = socket
    this.transport = transport
    this.address = address
    this.writable = Effect.async<void>((resume) => {
      if (!socket.writableNeedDrain || socket.destroyed) return resume(Effect.void)
      const go = () => {
        socket.off("drain", go)
        socket.off("close", go)
        resume(Effect.void)
      }
      socket.on("drain", go)
      socket.on("close", go)
      return Effect.sync(go)
    })
    this.#pipeline = pipeline
    this.#now = now
    this.#lastQuery = now()
    socket.on("data", (chunk: Buffer) => this.#read(chunk))
    socket.on("drain", () => {
      this.#stalledSince = undefined
      socket.resume()
    })
    // A client that goes away is no event.
    socket.on("error", () => socket.destroy())
    socket.on("end", () => this.finish())
  }

  /** Ends the connection if a deadline has passed. */
  enforce(deadlines: Deadlines): void {
    const now = this.#now()
    const over = (since: number | undefined, limit: number) =>
      since !== undefined && now - since > limit
    if (over(this.#stalledSince, deadlines.message) || over(this.#partialSince, deadlines.message))
      this.#socket.destroy()
    else if (this.#unanswered === 0 && over(this.#lastQuery, deadlines.idle)) this.finish()
  }

  /** Takes no more queries; ends once what was asked is answered. */
  finish(): void {
    this.#ending = true
    if (this.#unanswered === 0) this.#socket.end()
  }

  #read(chunk: Buffer): void {
    if (this.#ending) return
    const messages = this.#frames.push(chunk)
    const now = this.#now()
    if (messages.length > 0) this.#lastQuery = now
    this.#partialSince = this.#frames.partial
      ? messages.length > 0
        ? now
        : (this.#partialSince ?? now)
      : undefined
    this.#batch = []
    for (const message of messages) {
      this.#unanswered++
      this.#pipeline.accept(message, this)
    }
    const batch = this.#batch
    this.#batch = undefined
    if (batch.length > 0) this.#write(batch)
    if (this.#frames.broken) this.finish()
  }

  send(reply: Buffer): void {
    if (this.#batch !== undefined) this.#batch.push(reply)
    else this.#write([reply])
  }

  refuse(): void {
    this.#socket.destroy()
  }

  done(): void {
    this.#unanswered--
    if (this.#ending && this.#unanswered === 0) this.#socket.end()
  }

  #write(replies: ReadonlyArray<Buffer>): void {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return
    const [only] = replies
    if (replies.length === 1 && only !== undefined && only.length >= large) {
      socket.cork()
      socket.write(frameLength(only))
      socket.write(only)
      socket.uncork()
    } else socket.write(frame(replies))
    if (socket.writableLength > maxUnread) {
      this.#stalledSince ??= this.#now()
      socket.pause()
    }
  }
}
