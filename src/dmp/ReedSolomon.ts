/**
 * Reed–Solomon over GF(2^8) as chunks use it: primitive polynomial 0x11d, generator 2, first
 * root 2^0, 32 parity octets, so up to 16 wrong octets in 255 are put right. The registry's
 * packages are native erasure coders or unkept ports, none decodes errors for these parameters.
 */

const parityLength = 32
const segmentLength = 255

const exp = new Uint8Array(512)
const log = new Uint8Array(256)
for (let power = 0, value = 1; power < 255; power++) {
  exp[power] = value
  exp[power + 255] = value
  log[value] = power
  value = value & 0x80 ? (value << 1) ^ 0x11d : value << 1
}

const mul = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : exp[log[a]! + log[b]!]!)
const div = (a: number, b: number): number => (a === 0 ? 0 : exp[log[a]! + 255 - log[b]!]!)
/** 2^power, for a power of at least -255. */
const root = (power: number): number => exp[(power + 255) % 255]!

// Coefficients of the monic generator polynomial, highest first, without the leading 1.
const generator = (() => {
  let poly = [1]
  for (let at = 0; at < parityLength; at++)
    poly = [...poly, 0].map((c, i) => c ^ mul(i === 0 ? 0 : poly[i - 1]!, root(at)))
  return poly.slice(1)
})()

// The generator times each octet: a division is one look-up and one XOR per step.
const multiples = Uint8Array.from({ length: 256 * parityLength }, (_, at) =>
  mul(at >> 5, generator[at & 31]!)
)

/** What is left of `octets` divided by the generator: all zero for a whole codeword. */
const remainder = (octets: Uint8Array): Uint8Array => {
  const rest = Uint8Array.from(octets)
  const end = rest.length - parityLength
  for (let at = 0; at < end; at++) {
    const row = rest[at]! << 5
    if (row === 0) continue
    for (let i = 0; i < parityLength; i++)
      rest[at + 1 + i] = rest[at + 1 + i]! ^ multiples[row + i]!
  }
  return rest.subarray(end)
}

const isZero = (octets: Uint8Array): boolean => octets.every((octet) => octet === 0)

/** The 32 parity octets of at most 223 octets of data. */
export const parity = (data: Uint8Array): Uint8Array =>
  remainder(Buffer.concat([data], data.length + parityLength))

/** The data of every 255-octet segment, errors put right; undefined when there are too many. */
export const decode = (coded: Uint8Array): Uint8Array | undefined => {
  const parts: Array<Uint8Array> = []
  for (let at = 0; at < coded.length; at += segmentLength) {
    const segment = corrected(coded.subarray(at, at + segmentLength))
    if (segment === undefined) return undefined
    parts.push(segment.subarray(0, segment.length - parityLength))
  }
  return Buffer.concat(parts)
}

const corrected = (segment: Uint8Array): Uint8Array | undefined => {
  if (segment.length <= parityLength) return undefined
  // Nearly all are whole, and a division tells that at a seventh of the syndromes' cost.
  if (isZero(remainder(segment))) return segment
  const syndrome = syndromes(segment)
  const locator = berlekampMassey(syndrome)
  if (locator.length - 1 > parityLength / 2) return undefined

  const fixed = Uint8Array.from(segment)
  const evaluator = product(syndrome, locator).slice(0, parityLength)
  // σ'(x): in characteristic 2 only the odd powers survive, each one lower.
  const derivative = locator.map((_, at) => (at % 2 === 0 ? (locator[at + 1] ?? 0) : 0))
  // Chien: the octet at `place` from the end is wrong when 2^-place is a root of the locator.
  for (let place = 0; place < segment.length; place++) {
    const inverse = root(-place)
    if (valueAt(locator, inverse) !== 0) continue
    const slope = valueAt(derivative, inverse)
    if (slope === 0) return undefined
    // Forney, for a first root of 2^0.
    const error = mul(root(place), div(valueAt(evaluator, inverse), slope))
    const at = segment.length - 1 - place
    fixed[at] = fixed[at]! ^ error
  }
  return isZero(remainder(fixed)) ? fixed : undefined
}

const syndromes = (segment: Uint8Array): ReadonlyArray<number> =>
  Array.from({ length: parityLength }, (_, power) => {
    const point = root(power)
    let sum = 0
    for (const octet of segment) sum = mul(sum, point) ^ octet
    return sum
  })

// Polynomials below have their lowest coefficient first.

/** The shortest recurrence that yields the syndromes: the error locator. */
const berlekampMassey = (syndrome: ReadonlyArray<number>): ReadonlyArray<number> => {
  let current = [1]
  let previous = [1]
  let length = 0
  let shift = 1
  let lastDiscrepancy = 1
  for (let step = 0; step < syndrome.length; step++) {
    let discrepancy = syndrome[step]!
    for (let at = 1; at <= length; at++) discrepancy ^= mul(current[at] ?? 0, syndrome[step - at]!)
    if (discrepancy === 0) {
      shift++
      continue
    }
    const factor = div(discrepancy, lastDiscrepancy)
    const next = Array.from(
      { length: Math.max(current.length, previous.length + shift) },
      (_, at) => (current[at] ?? 0) ^ mul(factor, previous[at - shift] ?? 0)
    )
    if (2 * length <= step) {
      previous = current
      length = step + 1 - length
      lastDiscrepancy = discrepancy
      shift = 1
    } else shift++
    current = next
  }
  return current.slice(0, length + 1)
}

const product = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): Array<number> => {
  const out = Array.from({ length: a.length + b.length - 1 }, () => 0)
  a.forEach((x, i) => b.forEach((y, j) => (out[i + j] = out[i + j]! ^ mul(x, y))))
  return out
}

const valueAt = (poly: ReadonlyArray<number>, x: number): number =>
  poly.reduceRight((sum, coefficient) => mul(sum, x) ^ coefficient, 0)
