/**
 * A hash of wire keys that can be made octet by octet while a message is read. Its start is
 * random, so that nobody can choose names that meet in one place; threads that look names up in
 * one memory take the start that was used there.
 */
import { randomInt } from "node:crypto"
import type { WireKey } from "./Name.ts"

export const hashStart: number = randomInt(2 ** 32) | 0

/** FNV-1a (draft-eastlake-fnv), one octet. */
export const hashOctet = (hash: number, octet: number): number =>
  Math.imul(hash ^ octet, 0x0100_0193)

/** Spreads what the last octets have changed over the lower bits. */
export const hashEnd = (hash: number): number => {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x85eb_ca6b)
  return mixed ^ (mixed >>> 13)
}

export const hashOf = (key: WireKey, start = hashStart): number => {
  let hash = start
  for (let i = 0; i < key.length; i++) hash = hashOctet(hash, key.charCodeAt(i))
  return hashEnd(hash)
}
