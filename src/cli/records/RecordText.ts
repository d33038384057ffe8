/**
 * Records as texts that people and programs move between nodes: JSON lines, which keep when each
 * ends, and master-file lines (RFC 1035 §5.1), whose TTL is what is left. Pure; `ImportText` reads
 * both.
 */
import { toOctets } from "../../zone/LiveZone.ts"
import type { Row } from "./Chosen.ts"

export const formats = ["json", "zone"] as const
export type Format = (typeof formats)[number]

export const jsonLine = ({ createdAt, expiresAt, name, ttl, value }: Row): string =>
  `${JSON.stringify({ name, value, ttl, created_at: createdAt, expires_at: expiresAt })}\n`

const unprintable = /[^\x20-\x7e]/g
const escapeOctet = (char: string) => `\\${String(char.charCodeAt(0)).padStart(3, "0")}`

/** Character-strings of at most 255 octets each, quoted. */
const strings = (value: string): string =>
  (toOctets(value).match(/[^]{1,255}/g) ?? [""])
    .map((part) => `"${part.replace(/["\\]/g, "\\$&").replace(unprintable, escapeOctet)}"`)
    .join(" ")

export const zoneLine = ({ expiresAt, name, value }: Row, now: number): string =>
  `${name}. ${Math.max(0, expiresAt - now)} IN TXT ${strings(value)}\n`

/** What stands above a master file. */
export const zoneHead = (now: number): string =>
  `; ${new Date(now * 1000).toISOString().slice(0, 19)}Z; each TTL is what was left of the record then\n`
