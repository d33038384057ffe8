/**
 * Registrations per second: challenge, Ed25519 signature, token, for a new subject each; and the
 * floor under them, the same connections asking for challenges alone.
 *
 *     node bench/registrations.ts [connections=16] [rounds=3] [seconds=3]
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import * as Subject from "../src/auth/Subject.ts"
import { signedOctets } from "../src/auth/RegistrationRequest.ts"
import { type HttpConnection, jsonRequest } from "./lib/HttpConnection.ts"
import { load } from "./lib/Load.ts"
import { cpuOf, heading, pinSelf, stop, table } from "./lib/Machine.ts"
import { databaseCopy, startNode } from "./lib/Node.ts"
import { options } from "./lib/Options.ts"
import { interleaved, times } from "./lib/Rounds.ts"
import { zone } from "./lib/Workload.ts"

const { connections, rounds, seconds } = options({ connections: 16, rounds: 3, seconds: 3 })
const [dns, http] = [15_370, 15_398]
const host = `node.${zone}`
pinSelf(1)

const node = await startNode(0, {
  db: await databaseCopy(0),
  dns,
  http,
  env: {
    DMP_AUTH_MODE: "multi-tenant",
    DMP_REGISTRATION_ENABLED: "1",
    DMP_NODE_HOSTNAME: host,
    DMP_REGISTRATION_ENDPOINT_RATE_PER_SEC: "0",
    DMP_REGISTRATION_ENDPOINT_RATE_BURST: "0",
    DMP_REGISTRATION_ISSUED_RATE_PER_SEC: "0"
  }
})

interface Holder {
  readonly spk: string
  readonly privateKey: KeyObject
}
// One key may hold many subjects; making a key for each would be the driver's work.
const holders: ReadonlyArray<Holder> = Array.from({ length: 64 }, () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const spki = publicKey.export({ type: "spki", format: "der" })
  return { privateKey, spk: spki.subarray(-32).toString("hex") }
})

const askChallenge = jsonRequest("GET", "/v1/registration/challenge", {})
const challenge = (connection: HttpConnection) => connection.send(askChallenge)

let count = 0
const register = async (connection: HttpConnection) => {
  const { body } = await challenge(connection)
  const given: { readonly challenge: string } = JSON.parse(body)
  const subject = Subject.unsafeMake(`user${count++}@${zone}`)
  const holder = holders[count % holders.length]
  if (holder === undefined) throw new Error("no key")
  const octets = signedOctets(Buffer.from(given.challenge, "hex"), subject, host)
  return connection.send(
    jsonRequest("POST", "/v1/registration/confirm", {
      body: {
        subject,
        ed25519_spk: holder.spk,
        challenge: given.challenge,
        signature: sign(null, octets, holder.privateKey).toString("hex")
      }
    })
  )
}

const cases = [
  { name: "challenge alone", operation: challenge },
  { name: "registration", operation: register }
]
for (const { operation } of cases)
  await load({ port: http, connections, seconds: 1, operation, expected: 200 })
const of = await interleaved(cases, rounds, async ({ operation }) => {
  const before = cpuOf(node)
  const loaded = await load({ port: http, connections, seconds, operation, expected: 200 })
  return { ...loaded, cpu: ((cpuOf(node) - before) / loaded.done) * 1e6 }
})
const rate = (name: string) => of(name, (it) => it.perSecond)
heading("Registrations", `${connections} connections`, `${rounds} rounds of ${seconds} s`)
console.log(
  table(
    ["", "per second", "÷ challenge alone", "p50 ms", "p99 ms", "CPU µs", "failed"],
    cases.map(({ name }) => [
      name,
      Math.round(rate(name)),
      times(rate(name), rate("challenge alone")),
      of(name, (it) => it.latency.p50).toFixed(2),
      of(name, (it) => it.latency.p99).toFixed(2),
      of(name, (it) => it.cpu).toFixed(0),
      of(name, (it) => it.failed)
    ])
  )
)
await stop(node)
