/**
 * One DNS connection over TCP: many queries, answered as they are ready (RFC 7766 §6.2.1.1),
 * the answers to what one chunk brought in one write. It keeps its own clock readings, so
 * that one sweep over all connections enforces every deadline.
 */
import type { Socket } from "node:net"
import { frame, TcpFrames } from "../wire/TcpFrames.ts"
import type { PipelineShape } from "./Pipeline.ts"
import type { Source } from "./SlowPath.ts"

/** Octets a client may leave unread before we stop reading from it. */
const maxUnread = 256 * 1024

export interface Deadlines {
  /** Milliseconds without a query after which the connection ends. */
  readonly idle: number
  /** Milliseconds one message may take to arrive, or one answer to be taken. */
  readonly message: number
}

export class TcpConnection {
  readonly #socket: Socket
  readonly #source: Source
  readonly #pipeline: PipelineShape
  readonly #now: () => number
  readonly #frames = new TcpFrames()
  #unanswered = 0
  #batch: Array<Buffer> | undefined
  #lastQuery: number
  #partialSince: number | undefined
  #stalledSince: number | undefined
  #ending = false

  constructor(socket: Socket, source: Source, pipeline: PipelineShape, now: () => number) {
    this.#socket = socket
    this.#source = source
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
      this.#pipeline.accept(
        message,
        this.#source,
        (reply) => this.#send(reply),
        () => this.#socket.destroy(),
        () => this.#answered()
      )
    }
    const batch = this.#batch
    this.#batch = undefined
    if (batch.length > 0) this.#write(batch)
    if (this.#frames.broken) this.finish()
  }

  #send(reply: Buffer): void {
    if (this.#batch !== undefined) this.#batch.push(reply)
    else this.#write([reply])
  }

  #answered(): void {
    this.#unanswered--
    if (this.#ending && this.#unanswered === 0) this.#socket.end()
  }

  #write(replies: ReadonlyArray<Buffer>): void {
    if (this.#socket.destroyed || !this.#socket.writable) return
    this.#socket.write(frame(replies))
    if (this.#socket.writableLength > maxUnread) {
      this.#stalledSince ??= this.#now()
      this.#socket.pause()
    }
  }
}
