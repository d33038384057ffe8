/** Many queries to one server, as fast as it answers them: a window over UDP, pipelined over TCP. */
import { createSocket } from "node:dgram"
import { connect } from "node:net"
import { Effect } from "effect"

const patience = 1000

/** The replies in the order of `queries`; one that never came is undefined. IDs are set here. */
export const overUdp = (
  port: number,
  queries: ReadonlyArray<Buffer>,
  window = 100,
  host = "127.0.0.1"
) =>
  Effect.async<ReadonlyArray<Buffer | undefined>>((resume) => {
    const replies: Array<Buffer | undefined> = Array(queries.length).fill(undefined)
    const waiting = new Map<number, { sent: number; tries: number }>()
    const socket = createSocket({
      type: "udp4",
      recvBufferSize: 4 << 20,
      lookup: (address, _options, done) => done(null, address, 4)
    })
    let next = 0
    const send = (at: number) => {
      const query = queries[at]
      if (query === undefined) return
      query.writeUInt16BE(at & 0xffff, 0)
      socket.send(query, port, host)
    }
    const fill = () => {
      while (waiting.size < window && next < queries.length) {
        waiting.set(next, { sent: performance.now(), tries: 1 })
        send(next++)
      }
      if (waiting.size === 0 && next >= queries.length) {
        clearInterval(timer)
        socket.close()
        resume(Effect.succeed(replies))
      }
    }
    const timer = setInterval(() => {
      const now = performance.now()
      for (const [at, state] of waiting) {
        if (now - state.sent < patience) continue
        if (state.tries >= 3) waiting.delete(at)
        else {
          state.sent = now
          state.tries++
          send(at)
        }
      }
      fill()
    }, 100)
    socket.on("message", (reply) => {
      const low = reply.readUInt16BE(0)
      // Of the indices with these low bits the one that is waited for.
      for (let at = low; at < next; at += 65_536)
        if (waiting.delete(at)) replies[at] = Buffer.from(reply)
      fill()
    })
    socket.bind(0, host, fill)
  })

/** One connection at a time; a server that closes it is asked the rest on another. */
export const overTcp = (
  port: number,
  queries: ReadonlyArray<Buffer>,
  window = 100,
  host = "127.0.0.1"
) =>
  Effect.async<ReadonlyArray<Buffer | undefined>>((resume) => {
    const replies: Array<Buffer | undefined> = Array(queries.length).fill(undefined)
    const left = new Set(queries.keys())
    let fruitless = 0
    const open = () => {
      const todo = [...left]
      let sent = 0
      let got = 0
      let rest: Buffer = Buffer.alloc(0)
      const socket = connect(port, host)
      const fill = () => {
        const frames: Array<Buffer> = []
        for (; sent < todo.length && sent - got < window; sent++) {
          const at = todo[sent] ?? 0
          const query = queries[at] ?? Buffer.alloc(12)
          query.writeUInt16BE(at & 0xffff, 0)
          const length = Buffer.alloc(2)
          length.writeUInt16BE(query.length)
          frames.push(length, query)
        }
        if (frames.length > 0) socket.write(Buffer.concat(frames))
      }
      const timer = setTimeout(() => socket.destroy(), 5000)
      socket.on("connect", fill)
      socket.on("data", (chunk: Buffer) => {
        timer.refresh()
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
        let at = 0
        while (rest.length - at >= 2 && rest.length - at - 2 >= rest.readUInt16BE(at)) {
          const reply = rest.subarray(at + 2, at + 2 + rest.readUInt16BE(at))
          at += 2 + reply.length
          const low = reply.readUInt16BE(0)
          for (let index = low; index < queries.length; index += 65_536)
            if (left.delete(index)) {
              replies[index] = Buffer.from(reply)
              got++
              break
            }
        }
        rest = rest.subarray(at)
        if (left.size === 0) socket.destroy()
        else fill()
      })
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        clearTimeout(timer)
        fruitless = got === 0 ? fruitless + 1 : 0
        if (left.size === 0 || fruitless > 3) resume(Effect.succeed(replies))
        else open()
      })
    }
    open()
  })
