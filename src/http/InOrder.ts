/**
 * The requests of one connection, one after the other. Node hands a pipelined request over
 * while an earlier one is being answered; RFC 9112 §9.3.2 has that for safe methods alone, or
 * a read would miss, and a delete overtake, the write sent before it.
 */
import type { RequestListener, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** `handle`, never asked about a request while an answer of the same connection is due. */
export const inOrder = (handle: RequestListener): RequestListener => {
  const latest = new WeakMap<Socket, ServerResponse>()
  // An answer that is out is not kept until the next one: it is large, and there are many.
  function closed(this: ServerResponse): void {
    const { socket } = this.req
    if (latest.get(socket) === this) latest.delete(socket)
  }
  return (request, response) => {
    const { socket } = request
    const earlier = latest.get(socket)
    latest.set(socket, response)
    response.on("close", closed)
    if (earlier === undefined || earlier.closed) return handle(request, response)
    // Or a client could pile up requests as long as one is worked on.
    socket.pause()
    earlier.once("close", () => {
      socket.resume()
      handle(request, response)
    })
  }
}
