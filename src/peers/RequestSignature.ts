/**
 * A sync request signed by the node that makes it: HTTP Message Signatures (RFC 9421) with
 * Ed25519 over the one set of components below, and Content-Digest (RFC 9530). Invariant: a
 * signature holds for one method, target, body, moment and addressee, and what is signed
 * begins with a quotation mark, as no mesh record does.
 */
import { Either } from "effect"
import * as Ed25519 from "../dmp/Ed25519.ts"
import { unsafeOctets } from "../runtime/SecureRandom.ts"

/** What a signature covers, apart from its own parameters. */
export interface Covered {
  readonly method: string
  /** From the slash on, without the query. */
  readonly path: string
  /** From the question mark on, or empty. */
  readonly query: string
  /** The value of `Content-Digest`. */
  readonly contentDigest: string
  /** Id of the node the request is for: another one cannot be made to answer it. */
  readonly to: string
  /** The signer's certificate. */
  readonly certificate: string
}

export interface Parameters {
  /** Unix seconds. */
  readonly created: number
  /** 22 characters of base64url, used once; see `newNonce`. */
  readonly nonce: string
  /** Id of the node that signs. */
  readonly keyId: string
}

export interface Signature extends Parameters {
  /** The parameters as they were written. */
  readonly input: string
  /** 64 octets. */
  readonly octets: Uint8Array
}

export const headers = {
  input: "signature-input",
  signature: "signature",
  digest: "content-digest",
  to: "dnsmesh-to",
  certificate: "dnsmesh-certificate"
} as const

/**
 * On every answer of the sync routes: a mark of the running process. A nonce that begins with it
 * was made for this process, and can have been answered by no earlier one.
 */
export const startHeader = "dnsmesh-start"

const markOctets = 6

export const newMark = (): string => unsafeOctets(markOctets).toString("base64url")

/** The mark in an answer, if it has one. */
export const markIn = (header: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof header === "string" && /^[A-Za-z0-9_-]{8}$/.test(header) ? header : undefined

/** A nonce for whoever has this mark, or for anybody. */
export const newNonce = (mark = ""): string =>
  (mark + unsafeOctets(16).toString("base64url")).slice(0, 22)

const components = `("@method" "@path" "@query" "content-digest" "${headers.to}" "${headers.certificate}")`
const fixed = `alg="ed25519";tag="dnsmesh-sync"`

/** What a node that takes such signatures asks for (RFC 9421 §5.1). */
export const accepted = `dnsmesh=${components};created;nonce;keyid;${fixed}`

/** True when `header` is `accepted` of this or another release. */
export const isOffered = (header: string | ReadonlyArray<string> | undefined): boolean =>
  typeof header === "string" && header.length <= 1024 && header.includes(`tag="dnsmesh-sync"`)

export const digestOf = (body: Uint8Array): string =>
  `sha-256=:${Buffer.from(Ed25519.sha256(body)).toString("base64")}:`

const inputOf = ({ created, keyId, nonce }: Parameters): string =>
  `${components};created=${created};nonce="${nonce}";keyid="${keyId}";${fixed}`

/** RFC 9421 §2.5. Header values hold no line breaks, so no line can pose as another. */
const base = (covered: Covered, input: string): Uint8Array =>
  Buffer.from(
    [
      `"@method": ${covered.method}`,
      `"@path": ${covered.path}`,
      `"@query": ${covered.query === "" ? "?" : covered.query}`,
      `"content-digest": ${covered.contentDigest}`,
      `"${headers.to}": ${covered.to}`,
      `"${headers.certificate}": ${covered.certificate}`,
      `"@signature-params": ${input}`
    ].join("\n"),
    "latin1"
  )

/** The headers that make a request a signed one. `seed` has 32 octets. */
export const sign = (
  covered: Covered,
  parameters: Parameters,
  seed: Uint8Array
): Readonly<Record<string, string>> => {
  const input = inputOf(parameters)
  const octets = Buffer.from(Ed25519.sign(seed, base(covered, input)))
  return {
    [headers.input]: `dnsmesh=${input}`,
    [headers.signature]: `dnsmesh=:${octets.toString("base64")}:`,
    [headers.digest]: covered.contentDigest,
    [headers.to]: covered.to,
    [headers.certificate]: covered.certificate
  }
}

const inputShape =
  /^;created=([0-9]{1,12});nonce="([A-Za-z0-9_-]{22})";keyid="([A-Za-z0-9._-]{1,16})";alg="ed25519";tag="dnsmesh-sync"$/
const signatureShape = /^dnsmesh=:([A-Za-z0-9+/]{86}==):$/

/** The signature of a request, if it is exactly one and has this form. */
export const read = (
  input: string | undefined,
  signature: string | undefined
): Either.Either<Signature, "malformed"> => {
  const malformed = Either.left("malformed" as const)
  const head = `dnsmesh=${components}`
  if (input === undefined || signature === undefined || !input.startsWith(head)) return malformed
  const [, created = "", nonce = "", keyId = ""] = inputShape.exec(input.slice(head.length)) ?? []
  const encoded = signatureShape.exec(signature)?.[1]
  if (keyId === "" || encoded === undefined) return malformed
  return Either.right({
    created: Number(created),
    nonce,
    keyId,
    input: input.slice("dnsmesh=".length),
    octets: Buffer.from(encoded, "base64")
  })
}

/** True when `key` (32 octets) signed `covered`. */
export const holds = (covered: Covered, signature: Signature, key: Uint8Array): boolean =>
  Ed25519.verify(key, base(covered, signature.input), signature.octets)
