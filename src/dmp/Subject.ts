/** Whose key a rotation or revocation is about. */
import * as Hostname from "./Hostname.ts"
import * as Octets from "./Octets.ts"

/** On the wire 1, 2 and 3. */
export const kinds = ["user", "cluster-operator", "bootstrap-signer"] as const

export type SubjectKind = (typeof kinds)[number]

export interface Subject {
  readonly kind: SubjectKind
  /** `user@host` of at most 255 octets for a user, a hostname of at most 64 otherwise. */
  readonly name: string
}

export const read = (reader: Octets.Reader): Subject | undefined => {
  const kind = kinds[reader.u8() - 1]
  const name = reader.text(reader.u8())
  return kind === undefined || name === undefined ? undefined : checked({ kind, name })
}

export const write = (subject: Subject): Uint8Array | undefined => {
  const valid = checked(subject)
  return valid === undefined
    ? undefined
    : Octets.concat(Octets.u8(kinds.indexOf(valid.kind) + 1), Octets.text8(valid.name))
}

const checked = ({ kind, name }: Subject): Subject | undefined => {
  if (kind !== "user") {
    const hostname = Hostname.parse(name, 64)
    return hostname === undefined ? undefined : { kind, name: hostname }
  }
  const at = name.lastIndexOf("@")
  return at > 0 &&
    Buffer.byteLength(name) <= 255 &&
    Hostname.parse(name.slice(at + 1), 253) !== undefined
    ? { kind, name }
    : undefined
}
