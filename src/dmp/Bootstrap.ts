/**
 * Bootstrap: tells which clusters serve a user domain, best first. Trust comes from the
 * domain's signer key that a reader holds, never from the key inside.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Hostname from "./Hostname.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface BootstrapEntry {
  /** Lower is tried first. */
  readonly priority: number
  readonly clusterBaseDomain: string
  readonly operatorSpk: Uint8Array
}

export interface Bootstrap {
  readonly userDomain: string
  readonly signerSpk: Uint8Array
  /** 1 to 16, sorted by priority; priority and domain together are unique. */
  readonly entries: ReadonlyArray<BootstrapEntry>
  /** A full u64. */
  readonly seq: bigint
  readonly exp: number
}

const magic = "DMPBS01"
const maxEntries = 16
const maxName = 64

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<Bootstrap> =>
  Either.map(decode(text), (signed) => signed.record)

/**
 * The record, signed by `signer`, for `expectedDomain` when that is given, not over and not
 * above five years.
 */
export const verify = (
  text: string,
  signer: Uint8Array,
  now: number,
  expectedDomain?: string
): Record.Result<Bootstrap> =>
  Either.flatMap(decode(text), (signed) => {
    const { exp, signerSpk, userDomain } = signed.record
    if (exp < now) return Record.fault("expired")
    if (exp - now > Record.maxAheadOperator) return Record.fault("too-far-future")
    if (expectedDomain !== undefined && !Hostname.same(userDomain, expectedDomain))
      return Record.fault("name-mismatch")
    return Either.flatMap(Record.signedBy(signed, signer), (record) =>
      Octets.equal(signerSpk, signer) ? Either.right(record) : Record.fault("signer-mismatch")
    )
  })

/** `seed` (32 octets) must be the one of `bootstrap.signerSpk`. Entries are sorted first. */
export const sign = (bootstrap: Bootstrap, seed: Uint8Array): Record.Result<string> => {
  const { exp, seq, signerSpk } = bootstrap
  const userDomain = Hostname.parse(bootstrap.userDomain, maxName)
  const entries = sorted(bootstrap.entries)
  if (userDomain === undefined || signerSpk.length !== 32 || !Record.isTime(exp))
    return Record.fault("structure")
  if (!entriesHold(entries) || seq !== BigInt.asUintN(64, seq)) return Record.fault("structure")
  const body = Octets.concat(
    Octets.text(magic),
    Octets.u64(seq),
    Octets.time(exp),
    signerSpk,
    Octets.text8(userDomain),
    Octets.u8(entries.length),
    ...entries.map((entry) =>
      Octets.concat(
        Octets.u16(entry.priority),
        Octets.text8(entry.clusterBaseDomain),
        entry.operatorSpk
      )
    )
  )
  return Record.sealSigned("bootstrap", body, signerSpk, seed, Record.maxText)
}

const decode = (text: string): Record.Result<Record.Signed<Bootstrap>> =>
  Either.flatMap(Record.open("bootstrap", text, Record.maxText, Base64.decodeStrict), (opened) => {
    const reader = new Octets.Reader(opened.body)
    if (!reader.magic(magic)) return Record.fault("structure")
    const seq = reader.u64()
    const exp = reader.time()
    const signerSpk = reader.bytes(32)
    const userDomain = Hostname.parse(reader.text(reader.u8()) ?? "", maxName)
    const count = reader.u8()
    const read: Array<BootstrapEntry> = []
    for (let at = 0; at < count && at <= maxEntries; at++) {
      const priority = reader.u16()
      const clusterBaseDomain = Hostname.parse(reader.text(reader.u8()) ?? "", maxName)
      const operatorSpk = reader.bytes(32)
      if (clusterBaseDomain === undefined) return Record.fault("structure")
      read.push({ priority, clusterBaseDomain, operatorSpk })
    }
    const entries = sorted(read)
    return reader.finished && userDomain !== undefined && entriesHold(entries)
      ? Either.right({ ...opened, record: { userDomain, signerSpk, entries, seq, exp } })
      : Record.fault("structure")
  })

const sorted = (entries: ReadonlyArray<BootstrapEntry>): ReadonlyArray<BootstrapEntry> =>
  entries.toSorted((a, b) => a.priority - b.priority)

const entriesHold = (entries: ReadonlyArray<BootstrapEntry>): boolean =>
  entries.length >= 1 &&
  entries.length <= maxEntries &&
  new Set(entries.map((e) => `${e.priority} ${Hostname.folded(e.clusterBaseDomain)}`)).size ===
    entries.length &&
  entries.every(
    ({ clusterBaseDomain, operatorSpk, priority }) =>
      Number.isInteger(priority) &&
      priority >= 0 &&
      priority <= 0xffff &&
      Hostname.parse(clusterBaseDomain, maxName) !== undefined &&
      operatorSpk.length === 32
  )
