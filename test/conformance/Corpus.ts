/** A zone with everything a node holds, and queries about it and about everything else. */
import type { Held } from "../fixtures/WholeNode.ts"

/** A deterministic source: a failing run can be had again. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = () => {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>>= 0)
  }
  return {
    below: (n: number) => next() % n,
    chance: (percent: number) => next() % 100 < percent,
    pick: <A>(items: ReadonlyArray<A>): A => items[next() % items.length] as A
  }
}
export type Random = ReturnType<typeof random>

const hex = (i: number, digits: number) =>
  (i * 2654435761).toString(16).padStart(digits, "0").slice(-digits)

/** Records of every shape the protocol has, and some at the edges of what can be sent. */
export const held = (zone: string): ReadonlyArray<Held> => {
  const records: Array<Held> = []
  const put = (owner: string, value: string) => records.push({ owner: `${owner}.${zone}`, value })
  for (let i = 0; i < 400; i++) {
    const tag = `mb-${hex(i + 1, 12)}`
    for (let n = 0; n <= i % 4; n++)
      put(`slot-${i % 10}.${tag}`, `v=dmp1;t=manifest;${n}`.padEnd(420, "A"))
    if (i % 3 === 0) put(`claim-${i % 10}.${tag}`, `v=dmp1;t=claim;${i}`.padEnd(240, "B"))
    put(
      `chunk-${String(i).padStart(4, "0")}-${hex(i + 7, 12)}`,
      `v=dmp1;t=chunk;d=${i}`.padEnd(241, "C")
    )
  }
  for (let i = 0; i < 60; i++) {
    put(`id-${hex(i + 3, 12)}${hex(i, 4)}`, `v=dmp1;t=identity;d=${i}`.padEnd(212, "D"))
    for (let n = 0; n < 1 + (i % 25); n++)
      put(`prekeys.id-${hex(i + 3, 12)}`, `v=dmp1;t=prekey;d=${i}-${n}`.padEnd(162, "E"))
  }
  for (let i = 0; i < 40; i++) put("_dnsmesh-seen", `v=dmp1;t=heartbeat;${i}`.padEnd(300, "F"))
  put("_dnsmesh-heartbeat", "v=dmp1;t=heartbeat;self".padEnd(300, "G"))
  put("dmp", "v=dmp1;t=identity;anchored")
  put("cluster", "v=dmp1;t=cluster;x".padEnd(1100, "H"))
  put("rotate.dmp", "v=dmp1;t=rotation;x".padEnd(342, "I"))
  put("a.b.c.d.e", "five deep")
  put("x.a.b.c.d.e", "six deep")
  put("empty", "")
  put(["p", "q", "r"].map((it) => it.repeat(63)).join("."), "a long name")
  // Sizes around every limit: 512, 1232, 4096.
  for (let size = 380; size < 500; size++) put(`s${size}`, "s".repeat(size))
  for (let size = 1080; size < 1230; size++) put(`s${size}`, "s".repeat(size))
  for (let i = 0; i < 60; i++) put("large", `${i}`.padEnd(900, "L"))
  return records
}

const zoneFile = (zone: string) => `$ORIGIN ${zone}.
@ MX 10 mail
@ MX 20 mail.example.net.
@ CAA 0 issue "ca.example"
@ TXT "v=spf1 -all"
@ TXT "at the apex"
mail A 127.0.0.1
mail AAAA ::1
www A 127.0.0.1
www TXT "static text"
_dmarc TXT "v=DMARC1; p=reject"
deep.er.static A 192.0.2.9
`
export { zoneFile as staticRecords }

const types = [
  ...Array.from({ length: 65 }, (_, i) => i + 1).filter((type) => type !== 41),
  99,
  104,
  105,
  106,
  107,
  108,
  109,
  256,
  257,
  258,
  259,
  32_768,
  32_769,
  65_280,
  65_534
]
export const metaTypes = [41, 128, 200, 248, 249, 250, 253, 254]
const outside = [
  "example.org",
  "test",
  "",
  "notmesh.test",
  "mesh.test.example",
  "esh.test",
  "x.esh.test"
]

const wire = (name: string): Buffer =>
  Buffer.concat([
    ...(name === "" ? [] : name.split(".")).map((label) =>
      Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])
    ),
    Buffer.alloc(1)
  ])

export interface Edns {
  readonly size: number
}

export interface Query {
  readonly message: Buffer
  readonly name: string
  readonly type: number
}

/** One query about `zone`; `names` are the names that hold something there. */
export const query = (
  rng: Random,
  zone: string,
  names: ReadonlyArray<string>,
  edns: Edns | undefined
): Query => {
  const known = rng.pick(names)
  const parent = known.slice(known.indexOf(".") + 1)
  const word = () => hex(rng.below(1e9), 4 + rng.below(8))
  const shapes = [
    () => known,
    () => known,
    () => known,
    () => known,
    () => parent,
    () => parent,
    () => `${word()}.${known}`,
    () => `${word()}.${parent}`,
    () => `${word()}.${zone}`,
    () => `mb-${hex(rng.below(1e9), 12)}.${zone}`,
    () => `slot-3.mb-${hex(rng.below(1e9), 12)}.${zone}`,
    () => `id-${hex(rng.below(1e9), 12)}.${zone}`,
    () => `${rng.pick(["dmp", "_dmp", "cluster", "rotate"])}.${zone}`,
    () => zone,
    () => `${rng.pick(["ns1", "mail", "www", "static", "er.static", "deep.er.static"])}.${zone}`,
    () => `\\*.${zone}`.replace("\\", ""),
    () => `\x00\xff${word()}.${zone}`,
    () => `${"w".repeat(63)}.${"v".repeat(63)}.${"u".repeat(63)}.${zone}`,
    () => rng.pick(outside),
    () => `${word()}.${rng.pick(outside)}`.replace(/\.$/, "")
  ]
  const plain = rng.pick(shapes)()
  const name = [...plain]
    .map((char) => (rng.chance(50) ? char.toUpperCase() : char))
    .join("")
    // toUpperCase knows more letters than DNS does.
    .replace(/\u0178/g, "\xff")
  const type = rng.chance(55)
    ? 16
    : rng.chance(3)
      ? 255
      : rng.chance(1)
        ? rng.pick(metaTypes)
        : rng.pick(types)
  const header = Buffer.alloc(12)
  // RD, AD and CD as they come.
  header.writeUInt16BE(
    (rng.chance(50) ? 0x100 : 0) | (rng.chance(10) ? 0x20 : 0) | (rng.chance(10) ? 0x10 : 0),
    2
  )
  header.writeUInt16BE(1, 4)
  const question = Buffer.alloc(4)
  question.writeUInt16BE(type, 0)
  question.writeUInt16BE(1, 2)
  const parts = [header, wire(name), question]
  if (edns !== undefined) {
    header.writeUInt16BE(1, 10)
    const opt = Buffer.alloc(11)
    opt.writeUInt16BE(41, 1)
    opt.writeUInt16BE(edns.size, 3)
    if (rng.chance(30)) opt.writeUInt8(0x80, 7)
    parts.push(opt)
  }
  return { message: Buffer.concat(parts), name: plain, type }
}
