/**
 * Reading and writing record bodies, big-endian. Invariant: a reader never throws and never
 * reads past its end: after an overrun it yields zeros, and `finished` stays false.
 */

export class Reader {
  private readonly octets: Uint8Array
  private readonly view: DataView
  private at = 0
  private overrun = false

  constructor(octets: Uint8Array) {
    this.octets = octets
    this.view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  }

  /** Every octet was read, and none beyond. */
  get finished(): boolean {
    return !this.overrun && this.at === this.octets.length
  }
  /** Nothing more can be read. */
  get exhausted(): boolean {
    return this.overrun || this.at === this.octets.length
  }

  u8(): number {
    const at = this.take(1)
    return at === undefined ? 0 : this.view.getUint8(at)
  }
  u16(): number {
    const at = this.take(2)
    return at === undefined ? 0 : this.view.getUint16(at)
  }
  u32(): number {
    const at = this.take(4)
    return at === undefined ? 0 : this.view.getUint32(at)
  }
  u64(): bigint {
    const at = this.take(8)
    return at === undefined ? 0n : this.view.getBigUint64(at)
  }
  /** A u64 of Unix seconds. Beyond 2^53 it is rounded, which no comparison with a clock notices. */
  time(): number {
    return Number(this.u64())
  }
  bytes(length: number): Uint8Array {
    const at = this.take(length)
    return at === undefined ? new Uint8Array(length) : this.octets.subarray(at, at + length)
  }
  /** UTF-8 text of `length` octets; undefined when it is not valid UTF-8. */
  text(length: number): string | undefined {
    const octets = this.bytes(length)
    const text = Buffer.from(octets).toString("utf8")
    // A replacement character may be genuine: only what encodes back to itself was valid.
    return Buffer.from(text).equals(octets) ? text : undefined
  }
  /** True when the next octets are `expected`, an ASCII text; they are read either way. */
  magic(expected: string): boolean {
    return Buffer.from(expected, "latin1").equals(this.bytes(expected.length)) && !this.overrun
  }

  private take(length: number): number | undefined {
    if (this.overrun || this.at + length > this.octets.length) {
      this.overrun = true
      return undefined
    }
    const at = this.at
    this.at += length
    return at
  }
}

/** One octet. */
export const u8 = (value: number): Uint8Array => Uint8Array.of(value)

export const u16 = (value: number): Uint8Array => {
  const octets = Buffer.alloc(2)
  octets.writeUInt16BE(value)
  return octets
}

export const u32 = (value: number): Uint8Array => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

export const u64 = (value: bigint): Uint8Array => {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64BE(value)
  return octets
}

/** Unix seconds as u64. */
export const time = (seconds: number): Uint8Array => u64(BigInt(seconds))

/** Octets of UTF-8. */
export const text = (value: string): Uint8Array => Buffer.from(value)

/** UTF-8 behind its length in one octet. */
export const text8 = (value: string): Uint8Array => {
  const octets = text(value)
  return concat(u8(octets.length), octets)
}

/** UTF-8 behind its length in two octets. */
export const text16 = (value: string): Uint8Array => {
  const octets = text(value)
  return concat(u16(octets.length), octets)
}

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat(parts)

export const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
