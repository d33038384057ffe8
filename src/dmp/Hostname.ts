/**
 * The rule for names inside cluster, bootstrap and rotation bodies. Invariant: what it yields
 * is ASCII, without a trailing dot, in the case it came in.
 */

const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/

/** `text` without one trailing dot, if it is a hostname of at most `maxLength` characters then. */
export const parse = (text: string, maxLength: number): string | undefined => {
  const name = text.endsWith(".") ? text.slice(0, -1) : text
  return name.length <= maxLength && name.split(".").every((part) => label.test(part))
    ? name
    : undefined
}

/** The same name, whatever the case and up to one trailing dot. */
export const same = (a: string, b: string): boolean => folded(a) === folded(b)

export const folded = (name: string): string =>
  (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase()
