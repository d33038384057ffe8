/**
 * The requests of one connection, one after the other. Node hands a pipelined request over
 * while an earlier one is being answered; RFC 9112 §9.3.2 has that for safe methods alone, or
 * a read would miss, and a delete overtake, the write sent before it.
 */
import type { RequestListener, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

export interface InOrder {
  readonly onRequest: RequestListener
  /** The answers due on a connection, in their order. */
  readonly dueOn: (socket: Duplex) => ReadonlyArray<ServerResponse>
}

/** `handle`, never asked about a request while an answer of the same connection is due. */
export const inOrder = (handle: RequestListener): InOrder => {
  // Of each connection; an answer that is out is not kept: it is large, and there are many.
  const due = new WeakMap<Duplex, Array<ServerResponse>>()
  const dueOn = (socket: Duplex): Array<ServerResponse> => {
    const known = due.get(socket)
    if (known !== undefined) return known
    const none: Array<ServerResponse> = []
    due.set(socket, none)
    return none
  }
  function closed(this: ServerResponse): void {
    const answers = dueOn(this.req.socket)
    const at = answers.indexOf(this)
    if (at >= 0) answers.splice(at, 1)
  }
  return {
    dueOn,
    onRequest: (request, response) => {
      const { socket } = request
      const answers = dueOn(socket)
      const earlier = answers.at(-1)
      answers.push(response)
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
}
