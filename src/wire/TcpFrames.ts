/** Cuts a TCP byte stream into DNS messages by their two-octet length (RFC 1035 §4.2.2). */

export class TcpFrames {
  #rest: Buffer = Buffer.alloc(0)
  /** True once a length of zero was read: no honest client sends one. */
  broken = false

  /** The messages that `chunk` completes, in order. They share its memory. */
  push(chunk: Buffer): ReadonlyArray<Buffer> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Array<Buffer> = []
    let at = 0
    while (bytes.length - at >= 2) {
      const length = bytes.readUInt16BE(at)
      if (length === 0) {
        this.broken = true
        break
      }
      if (bytes.length - at - 2 < length) break
      messages.push(bytes.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    this.#rest = at === bytes.length ? Buffer.alloc(0) : bytes.subarray(at)
    return messages
  }

  /** True while a message has begun and not ended. */
  get partial(): boolean {
    return this.#rest.length > 0
  }
}

/** What goes before `message`. */
export const frameLength = (message: Buffer): Buffer =>
  Buffer.from([message.length >> 8, message.length & 255])

/** `messages` with their lengths, as one buffer to be written at once. */
export const frame = (messages: ReadonlyArray<Buffer>): Buffer => {
  let size = 0
  for (const message of messages) size += 2 + message.length
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const message of messages) {
    bytes.writeUInt16BE(message.length, at)
    message.copy(bytes, at + 2)
    at += 2 + message.length
  }
  return bytes
}
