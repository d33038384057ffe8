/** Messages of every kind the node takes, and what an enemy makes of them. */
import { encode } from "dns-packet"
import { sign } from "../../src/wire/TsigSign.ts"
import type { Random } from "../conformance/Corpus.ts"
import * as M from "../wire/messages.ts"
import * as H from "./UpdateHarness.ts"

const opt = (...options: ReadonlyArray<{ readonly code: number; readonly data: Buffer }>) =>
  ({ type: "OPT", name: ".", udpPayloadSize: 65_535, flags: 0x8000, options }) as never
const query = (
  name: string,
  type: "TXT" | "ANY" | "SOA" | "AXFR" | "IXFR" | "A",
  ...additionals: Array<never>
) => encode({ type: "query", id: 1, questions: [{ name, type: type as "TXT" }], additionals })

/** Seeds, each well formed. */
export const seeds = (now: number): ReadonlyArray<Buffer> => {
  const key = H.wireKey(H.loose)
  const signed = (message: Buffer) => sign(message, key, { timeSigned: now }).bytes
  const chaos = query("version.bind", "TXT")
  chaos.writeUInt16BE(3, chaos.length - 2)
  const incremental = encode({
    type: "query",
    id: 1,
    questions: [{ name: "mesh.test", type: "IXFR" as "TXT" }],
    authorities: [
      {
        type: "SOA",
        name: "mesh.test",
        data: { mname: "a", rname: "b", serial: now, refresh: 1, retry: 1, expire: 1, minimum: 1 }
      }
    ]
  })
  const notify = query("mesh.test", "SOA")
  notify.writeUInt16BE(0x2400, 2)
  return [
    query("many.mesh.test", "TXT"),
    query("many.mesh.test", "TXT", opt()),
    query(
      "one.mesh.test",
      "TXT",
      opt({ code: 10, data: Buffer.alloc(8, 1) }, { code: 3, data: Buffer.alloc(0) })
    ),
    query("one.mesh.test", "ANY", opt({ code: 10, data: Buffer.alloc(24, 1) })),
    query(
      "mesh.test",
      "SOA",
      opt({ code: 11, data: Buffer.alloc(0) }, { code: 12, data: Buffer.alloc(9) })
    ),
    query("mb-00aa11bb22cc.mesh.test", "A"),
    query("mesh.test", "AXFR"),
    incremental,
    chaos,
    notify,
    signed(query("one.mesh.test", "TXT")),
    signed(query("mesh.test", "AXFR")),
    M.update("mesh.test", { authorities: [M.add("fuzz.mesh.test", "value")] }),
    signed(M.update("mesh.test", { authorities: [M.add("fuzz.mesh.test", "value")] })),
    M.update("mesh.test", {
      answers: [M.add("one.mesh.test", "there")],
      authorities: [M.add("fuzz.mesh.test", "v".repeat(600)), M.add("two.mesh.test", "x")]
    }),
    M.update("mesh.test", { authorities: [M.add(H.claimName(), H.claim())] })
  ]
}

/** What a key holder's broken program sends: damaged first, and signed as it then is. */
export const signedAfterwards = (message: Buffer, now: number): Buffer =>
  message.length < 12 || message.length > 60_000 || message.readUInt16BE(10) === 0xffff
    ? message
    : sign(message, H.wireKey(H.loose), { timeSigned: now }).bytes

/** One of `all`, damaged, or nothing but noise. */
export const mutated = (rng: Random, all: ReadonlyArray<Buffer>): Buffer => {
  if (rng.chance(10)) {
    const noise = Buffer.alloc(rng.below(rng.chance(5) ? 9000 : 120))
    for (let at = 0; at < noise.length; at++) noise[at] = rng.below(256)
    return noise
  }
  let message: Buffer = Buffer.from(rng.pick(all))
  for (let edits = rng.below(4); edits >= 0; edits--) {
    const at = message.length === 0 ? 0 : rng.below(message.length)
    const other = rng.pick(all)
    const edit = rng.below(10)
    if (message.length < 14 || edit === 0)
      message = Buffer.concat([message.subarray(0, at), other.subarray(Math.min(at, other.length))])
    else if (edit === 1) message = Buffer.from(message.subarray(0, at))
    else if (edit === 2) message[at] = rng.below(256)
    else if (edit === 3) message[at] = (message[at] ?? 0) ^ (1 << rng.below(8))
    else if (edit === 4)
      message.writeUInt16BE(rng.pick([0, 1, 2, 255, 65_535]), 4 + 2 * rng.below(4))
    else if (edit === 5)
      message.writeUInt16BE(0xc000 | rng.below(message.length), Math.min(at, message.length - 2))
    else if (edit === 6) message = Buffer.concat([message, other.subarray(rng.below(other.length))])
    else if (edit === 7) message.writeUInt16BE(rng.below(65_536), 2)
    else if (edit === 8)
      message = Buffer.concat([
        message.subarray(0, at),
        message.subarray(rng.below(message.length))
      ])
    else
      message.fill(rng.pick([0, 63, 64, 192, 255]), at, Math.min(message.length, at + rng.below(8)))
  }
  return message.subarray(0, 65_535)
}
