/**
 * Who a credential belongs to, `local@fqdn`, in one canonical spelling. Invariant: a
 * `Subject` is lower-case ASCII inside the bounds of the DNS, so that two look-alike
 * spellings are either the same subject or no subject at all.
 */
import { Brand, Data, Either } from "effect"
import { createHash } from "node:crypto"

export type Subject = string & Brand.Brand<"Subject">

/** `message` is shown to the client. */
export class SubjectInvalid extends Data.TaggedError("SubjectInvalid")<{
  readonly message: string
}> {}

const brand = Brand.nominal<Subject>()

/** Longest input looked at, in UTF-16 units: NFKC may expand one unit eighteenfold. */
const maxInput = 1024
/** Longest subject: its domain is a DNS name, and its local part shares a name with it. */
const maxSubject = 253

const edgeSpace = /^[\t-\r\x1c-\x20]+|[\t-\r\x1c-\x20]+$/g
const localShape = /^[a-z0-9][a-z0-9._+-]*$/
const labelShape = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const invalid = (message: string) => Either.left(new SubjectInvalid({ message }))

/** NFKC, trimmed, lower case, ASCII, then the shape; linear in the length of `input`. */
export const parse = (input: unknown): Either.Either<Subject, SubjectInvalid> => {
  if (typeof input !== "string" || input === "")
    return invalid("subject must be a non-empty string")
  if (input.length > maxInput) return invalid("subject is too long")
  const text = input.normalize("NFKC").replace(edgeSpace, "").toLowerCase()
  const foreign = [...text].findIndex((character) => character > "\x7f")
  if (foreign >= 0)
    return invalid(`subject must be ASCII; got non-ASCII character at position ${foreign}`)
  if (text.length > maxSubject) return invalid("subject is too long")
  return wellFormed(text)
    ? Either.right(brand(text))
    : invalid(`subject does not match <local>@<fqdn> shape: '${text}'`)
}

const wellFormed = (text: string): boolean => {
  const at = text.indexOf("@")
  if (at < 1) return false
  const local = text.slice(0, at)
  const labels = text.slice(at + 1).split(".")
  return (
    localShape.test(local) &&
    !local.includes("..") &&
    !local.endsWith(".") &&
    labels.length >= 2 &&
    labels.every((label) => labelShape.test(label))
  )
}

/** Trusts `text` to be canonical; for rows that `parse` has seen. */
export const unsafeMake = (text: string): Subject => brand(text)

/** The part before `@`. */
export const local = (subject: Subject): string => subject.slice(0, subject.indexOf("@"))

/** The part after `@`, a DNS name without trailing dot. */
export const domain = (subject: Subject): string => subject.slice(subject.indexOf("@") + 1)

/** First `digits` lower-case hex digits of SHA-256, as owner names of the mesh carry them. */
export const hexHash = (digits: number, data: string | Uint8Array): string =>
  createHash("sha256").update(data).digest("hex").slice(0, digits)

/** The hash labels of a user: 12 digits name the prekey pool, 16 the identity. */
export const hash12 = (subject: Subject): string => hexHash(12, local(subject))
export const hash16 = (subject: Subject): string => hexHash(16, local(subject))
