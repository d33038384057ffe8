/**
 * Heartbeat: a node says it is alive, where, and what it does. Signed by the key it carries,
 * so it proves no more than that one key spoke. Emitted as `DMPHB03`; 0.4 nodes sent `DMPHB02`.
 */
import { Either } from "effect"
import * as Base64 from "./Base64.ts"
import * as Endpoint from "./Endpoint.ts"
import * as Octets from "./Octets.ts"
import * as Record from "./Record.ts"

export interface Heartbeat {
  readonly endpoint: string
  readonly operatorSpk: Uint8Array
  /** At most 32 ASCII characters; released readers check no more. */
  readonly version: string
  /** Bit 0: claim provider. Others are reserved and kept. */
  readonly capabilities: number
  /** The zone served; empty in `DMPHB02`. Unchecked text: parse it before use as a name. */
  readonly zone: string
  readonly ts: number
  readonly exp: number
}

/** How far, in seconds, `ts` may lie behind and ahead of the clock. */
export interface Skew {
  readonly past: number
  readonly future: number
}

export const defaultSkew: Skew = { past: Record.maxSkew, future: Record.maxSkew }

/** For copies others pass on: `exp` alone bounds their age. */
export const relayedSkew: Skew = { past: Infinity, future: Record.maxSkew }

export const claimProvider = 1

const current = "DMPHB03"
const previous = "DMPHB02"

/** The record without a look at its signature or at the clock. */
export const parse = (text: string): Record.Result<Heartbeat> =>
  Either.map(decode(text), (signed) => signed.record)

/** The record, signed by its operator, within `skew`, not over, not above 30 days. */
export const verify = (text: string, now: number, skew = defaultSkew): Record.Result<Heartbeat> =>
  Either.flatMap(decode(text), (signed) => {
    const { exp, operatorSpk, ts } = signed.record
    if (now - ts > skew.past || ts - now > skew.future) return Record.fault("clock-skew")
    if (exp <= now) return Record.fault("expired")
    if (exp - now > Record.maxAhead) return Record.fault("too-far-future")
    return Record.signedBy(signed, operatorSpk)
  })

/**
 * `seed` (32 octets) must be the one of `heartbeat.operatorSpk`. The endpoint must keep to the
 * strict rule and the zone to printable ASCII, so that every reader agrees on them.
 */
export const sign = (heartbeat: Heartbeat, seed: Uint8Array): Record.Result<string> => {
  const { capabilities, endpoint, exp, operatorSpk, ts, version, zone } = heartbeat
  if (!Endpoint.strict(endpoint) || operatorSpk.length !== 32) return Record.fault("structure")
  if (!isVersion(version) || !/^[\x21-\x7e]{0,64}$/.test(zone)) return Record.fault("structure")
  if (!Number.isInteger(capabilities) || capabilities < 0 || capabilities > 0xffff)
    return Record.fault("structure")
  if (!Record.isTime(ts) || !Record.isTime(exp) || exp <= ts) return Record.fault("structure")
  const body = Octets.concat(
    Octets.text(current),
    Octets.text16(endpoint),
    operatorSpk,
    Octets.text8(version),
    Octets.u16(capabilities),
    Octets.text8(zone),
    Octets.time(ts),
    Octets.time(exp)
  )
  return Record.sealSigned("heartbeat", body, operatorSpk, seed, Record.maxText)
}

const decode = (text: string): Record.Result<Record.Signed<Heartbeat>> =>
  Either.flatMap(Record.open("heartbeat", text, Record.maxText, Base64.decodeStrict), (opened) => {
    const isCurrent = new Octets.Reader(opened.body).magic(current)
    const reader = new Octets.Reader(opened.body)
    if (!reader.magic(isCurrent ? current : previous)) return Record.fault("structure")
    const endpoint = reader.text(reader.u16())
    const operatorSpk = reader.bytes(32)
    const version = reader.text(reader.u8())
    const capabilities = reader.u16()
    const zoneLength = isCurrent ? reader.u8() : 0
    const zone = reader.text(zoneLength)
    const ts = reader.time()
    const exp = reader.time()
    if (!reader.finished || endpoint === undefined || version === undefined || zone === undefined)
      return Record.fault("structure")
    return zoneLength <= 64 && isVersion(version) && Endpoint.tolerated(endpoint) && exp > ts
      ? Either.right({
          ...opened,
          record: { endpoint, operatorSpk, version, capabilities, zone, ts, exp }
        })
      : Record.fault("structure")
  })

const isVersion = (version: string): boolean => /^\p{ASCII}{0,32}$/u.test(version)
