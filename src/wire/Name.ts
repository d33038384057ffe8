/**
 * Owner names as this node holds them. Invariant: a `Name` is lower case, has no
 * trailing dot, and fits the grammar below, so two spellings of one name never meet.
 */
import { Brand, Option } from "effect"

/** An owner name in canonical form: lower case, no trailing dot, at most 253 characters. */
export type Name = string & Brand.Brand<"Name">

/** The same name in lower-cased wire form without the root label, one char per octet. */
export type WireKey = string & Brand.Brand<"WireKey">

const brand = Brand.nominal<Name>()
const brandKey = Brand.nominal<WireKey>()

const beyondAscii = /[^\x00-\x7f]/
const label = /^_?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/

/** A pattern for this would try every run of dots anew from each of its dots. */
export const withoutTrailingDots = (text: string): string => {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 0x2e) end--
  return text.slice(0, end)
}

/**
 * Parses presentation form. A label is an optional `_` and letters, digits and inner
 * hyphens, 1 to 63 octets in all (RFC 1035 §2.3.1 with RFC 8552 underscores).
 */
export const parse = (text: string): Option.Option<Name> => {
  // Before case is folded: the Kelvin sign (U+212A) would come out as an ASCII k.
  if (beyondAscii.test(text)) return Option.none()
  const name = withoutTrailingDots(text).toLowerCase()
  if (name.length === 0 || name.length > 253) return Option.none()
  return name.split(".").every((part) => part.length <= 63 && label.test(part))
    ? Option.some(brand(name))
    : Option.none()
}

/** Trusts `text` to be canonical; for literals and for what `parse` has seen. */
export const unsafeMake = (text: string): Name => brand(text)

/** True when `name` is `ancestor` itself or lies below it. */
export const isWithin = (name: string, ancestor: string): boolean =>
  name === ancestor || name.endsWith(`.${ancestor}`)

/** The key under which the answer index holds `name`. */
export const toWireKey = (name: Name): WireKey =>
  brandKey(
    name
      .split(".")
      .map((part) => String.fromCharCode(part.length) + part)
      .join("")
  )

/** Trusts `octets` to be whole lower-cased labels without the root; for the packet path. */
export const unsafeWireKey = (octets: string): WireKey => brandKey(octets)

/** The inverse of `toWireKey`. */
export const fromWireKey = (key: WireKey): Name => {
  const labels: Array<string> = []
  for (let at = 0; at < key.length; at += key.charCodeAt(at) + 1)
    labels.push(key.slice(at + 1, at + 1 + key.charCodeAt(at)))
  return brand(labels.join("."))
}

/** The key one label up; the empty key is the root. */
export const parentKey = (key: WireKey): WireKey => brandKey(key.slice(key.charCodeAt(0) + 1))
