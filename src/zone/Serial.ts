/** SOA serials: 32 bits, compared and added to as RFC 1982 says, so that they may wrap. */

/** Whether `a` comes after `b`. */
export const isLater = (a: number, b: number): boolean => ((a - b) | 0) > 0

/** `by` is at most 2^31 - 1. */
export const plus = (serial: number, by: number): number => (serial + by) >>> 0

/** The serial after `serial`: `wanted` where that is later. */
export const next = (serial: number, wanted: number): number =>
  isLater(wanted, serial) ? wanted >>> 0 : plus(serial, 1)
