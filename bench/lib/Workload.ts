/**
 * The zone and the queries of the DNS benchmarks: mailbox slots and chunks, nine of ten
 * values of about 245 octets and one of ten of 1,300; 70 % small hits, 10 % large hits,
 * 15 % missing names, 5 % of another type; every second name in mixed case.
 */
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"

export const zone = "mesh.test"

export interface Held {
  readonly owner: string
  readonly value: string
}

const hex = (i: number): string => createHash("sha256").update(String(i)).digest("hex").slice(0, 12)
const ownerOf = (i: number): string =>
  i % 2 === 0
    ? `slot-${i % 10}.mb-${hex(i)}.${zone}`
    : `chunk-${String(i % 10_000).padStart(4, "0")}-${hex(i)}.${zone}`
const isLarge = (i: number): boolean => i % 10 === 9

export const held = (i: number): Held => ({
  owner: ownerOf(i),
  value: `v=bench;${i};`.padEnd(isLarge(i) ? 1300 : 241 + (i % 12), "x")
})

/** A small generator of its own, so that every run asks the same. */
const generator = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
  return seed / 0x7fffffff
}

const mixCase = (name: string, random: () => number): string =>
  [...name].map((char) => (random() < 0.5 ? char.toUpperCase() : char)).join("")

export type Mix = "mix" | "hits" | "misses"

export interface Asked {
  readonly name: string
  readonly type: "TXT" | "A"
}

export const queries = (names: number, count: number, mix: Mix): ReadonlyArray<Asked> => {
  const random = generator(42)
  const small = () => {
    for (;;) {
      const i = Math.floor(random() * names)
      if (!isLarge(i)) return ownerOf(i)
    }
  }
  return Array.from({ length: count }, (_, n) => {
    const at = mix === "hits" ? 0 : mix === "misses" ? 0.9 : random()
    const name =
      at < 0.7
        ? small()
        : at < 0.8
          ? ownerOf(Math.floor((random() * names) / 10) * 10 + 9)
          : at < 0.95
            ? ownerOf(names + Math.floor(random() * names))
            : small()
    return {
      name: n % 2 === 0 ? name : mixCase(name, random),
      type: at >= 0.95 ? "A" : "TXT"
    }
  })
}

export const writeQueries = (file: string, asked: ReadonlyArray<Asked>): void =>
  writeFileSync(file, asked.map(({ name, type }) => `${name} ${type}`).join("\n") + "\n")

export const writeZone = (file: string, names: number): void => {
  const lines = [
    `$ORIGIN ${zone}.`,
    `$TTL 60`,
    `@ IN SOA ns1 hostmaster 1 3600 600 604800 30`,
    `@ IN NS ns1`,
    `ns1 IN A 127.0.0.1`
  ]
  for (let i = 0; i < names; i++) {
    const { owner, value } = held(i)
    const strings = value.match(/.{1,255}/g) ?? [""]
    lines.push(
      `${owner}. IN TXT ${strings.map((part) => `"${part.replaceAll(";", "\\;")}"`).join(" ")}`
    )
  }
  writeFileSync(file, lines.join("\n") + "\n")
}
