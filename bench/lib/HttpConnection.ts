/**
 * One keep-alive HTTP connection that sends ready-made requests and reads just enough of the
 * answers: a client that costs little beside the server it measures.
 */
import { connect } from "node:net"

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

export interface HttpConnection {
  /** One at a time. Fails when the connection ends first. */
  readonly send: (request: string) => Promise<HttpAnswer>
  readonly close: () => void
}

/** The octets of a JSON request; `path` and `body` are ASCII. */
export const jsonRequest = (
  method: "GET" | "POST",
  path: string,
  options: { readonly body?: unknown; readonly token?: string }
): string => {
  const body = options.body === undefined ? "" : JSON.stringify(options.body)
  const credentials =
    options.token === undefined ? "" : `authorization: Bearer ${options.token}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: bench\r\n${credentials}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

const answerIn = (text: string): HttpAnswer | undefined => {
  const headEnd = text.indexOf("\r\n\r\n")
  if (headEnd < 0) return undefined
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd))?.[1] ?? 0)
  const end = headEnd + 4 + length
  return text.length < end
    ? undefined
    : { status: Number(text.slice(9, 12)), body: text.slice(headEnd + 4, end) }
}

export const open = (port: number): Promise<HttpConnection> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true })
    let received = ""
    let waiting:
      { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | undefined
    socket.setEncoding("latin1")
    socket.on("data", (chunk) => {
      received += String(chunk)
      const answer = answerIn(received)
      if (answer === undefined) return
      received = ""
      waiting?.resolve(answer)
    })
    const fail = (error: Error) => {
      reject(error)
      waiting?.reject(error)
    }
    socket.once("error", fail)
    socket.once("close", () => fail(new Error("the connection was closed")))
    socket.once("connect", () =>
      resolve({
        send: (request) =>
          new Promise((resolve, reject) => {
            waiting = { resolve, reject }
            socket.write(request, "latin1")
          }),
        close: () => socket.destroy()
      })
    )
  })
