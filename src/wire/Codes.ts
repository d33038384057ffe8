/** The registered numbers of DNS parameters this node speaks about (IANA DNS Parameters). */

/** RFC 1035 §4.1.1, RFC 1996, RFC 2136, RFC 8490. */
export const opcode = {
  QUERY: 0,
  IQUERY: 1,
  STATUS: 2,
  NOTIFY: 4,
  UPDATE: 5,
  DSO: 6
} as const

/**
 * RFC 6895 §2.3. 16 is BADSIG in a TSIG record and BADVERS in an OPT record. Above 15 a code
 * does not fit the header: it lives in the TSIG error field or in the OPT record's upper bits.
 */
export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADSIG: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADTRUNC: 22,
  BADCOOKIE: 23
} as const

export type RcodeName = keyof typeof rcode

/** The rcodes that fit the header, by number. */
export const rcodeNames = [
  "NOERROR",
  "FORMERR",
  "SERVFAIL",
  "NXDOMAIN",
  "NOTIMP",
  "REFUSED",
  "YXDOMAIN",
  "YXRRSET",
  "NXRRSET",
  "NOTAUTH",
  "NOTZONE"
] as const satisfies ReadonlyArray<RcodeName>

export const type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  CDS: 59,
  CDNSKEY: 60,
  SVCB: 64,
  HTTPS: 65,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257
} as const

/** True for types that stand for no stored data: OPT, TKEY, TSIG and the QTYPEs (RFC 6895 §3.1). */
export const isMetaType = (code: number): boolean =>
  code === type.OPT || (code >= 128 && code <= 255)

/** In UPDATE, NONE and ANY say what to do with a record rather than where it is (RFC 2136 §2.4, §2.5). */
export const rrClass = {
  IN: 1,
  CH: 3,
  HS: 4,
  NONE: 254,
  ANY: 255
} as const

/** Bits of the second 16-bit header word. */
export const flag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010
} as const

/** RFC 6891 §9, RFC 7871, RFC 7873, RFC 7828, RFC 7830, RFC 8914. */
export const ednsOption = {
  NSID: 3,
  CLIENT_SUBNET: 8,
  COOKIE: 10,
  TCP_KEEPALIVE: 11,
  PADDING: 12,
  EXTENDED_ERROR: 15
} as const

/** RFC 8914 §4, those a server of this kind can mean. */
export const extendedError = {
  OTHER: 0,
  NOT_READY: 14,
  BLOCKED: 15,
  PROHIBITED: 18,
  NOT_AUTHORITATIVE: 20,
  NOT_SUPPORTED: 21,
  INVALID_DATA: 24
} as const
