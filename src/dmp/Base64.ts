/**
 * RFC 4648 §4 base64 with the two strictnesses the mesh's readers have; `Buffer.from` alone
 * also takes URL-safe and unpadded text. Invariant: no decoder throws.
 */

const strictText = /^[A-Za-z0-9+/]*={0,2}$/
const foreign = /[^A-Za-z0-9+/]/g

export const encode = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("base64")

/**
 * Standard alphabet, exact padding, nothing else. Unused trailing bits may be set, as released
 * readers allow: `isCanonical` tells such spellings apart.
 */
export const decodeStrict = (text: string): Uint8Array | undefined =>
  text.length % 4 === 0 && strictText.test(text) ? Buffer.from(text, "base64") : undefined

/**
 * As the readers of identities and slot manifests decode: foreign ASCII is skipped, what
 * follows the padding is ignored, yet the padding must be there.
 */
export const decodeLenient = (text: string): Uint8Array | undefined => {
  const plain = decodeStrict(text)
  if (plain !== undefined) return plain
  if (/\P{ASCII}/u.test(text)) return undefined
  const end = endOfData(text)
  if (end === undefined) return undefined
  return Buffer.from(text.slice(0, end).replace(foreign, ""), "base64")
}

/** True when `text` is the one spelling `encode` gives of what it decodes to. */
export const isCanonical = (text: string): boolean => {
  const octets = decodeStrict(text)
  return octets !== undefined && encode(octets) === text
}

// Where the padding that completes a quantum ends, or the end of text without a partial quantum.
const endOfData = (text: string): number | undefined => {
  let held = 0
  let pads = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === "=") {
      if (held < 2) continue
      pads++
      if (held + pads === 4) return at
    } else if (!/[^A-Za-z0-9+/]/.test(char)) {
      held = (held + 1) % 4
      pads = 0
    }
  }
  return held === 0 ? text.length : undefined
}
