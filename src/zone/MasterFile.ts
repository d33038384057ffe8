/**
 * The syntax of master files (RFC 1035 §5.1): entries of tokens with the line they began on.
 * Knows quotes, escapes, comments and parentheses, and nothing of records. Octets are chars.
 */
import { Either } from "effect"

export interface Token {
  readonly text: string
  readonly quoted: boolean
}

/** One directive or record. */
export interface Entry {
  readonly line: number
  /** True when it has no owner of its own. */
  readonly indented: boolean
  readonly tokens: ReadonlyArray<Token>
}

export interface SyntaxMistake {
  readonly line: number
  readonly problem: string
}

const blank = /[ \t\r]/
const plainEnd = /[ \t\r\n;()"]/

/** An escape at `at`, which holds the backslash: its octet, and where it ends. */
const escape = (text: string, at: number): readonly [string, number] | undefined => {
  const digits = /^[0-9]{3}/.exec(text.slice(at + 1, at + 4))?.[0]
  if (digits !== undefined)
    return Number(digits) > 255 ? undefined : [String.fromCharCode(Number(digits)), at + 4]
  const next = text[at + 1]
  return next === undefined || next === "\n" ? undefined : [next, at + 2]
}

/** Reads until `ends` says so; yields the token's octets and where it ended. */
const take = (
  text: string,
  from: number,
  ends: (char: string) => boolean
): { readonly octets: string; readonly end: number } | undefined => {
  let octets = ""
  let at = from
  for (;;) {
    const char = text[at]
    if (char === undefined || ends(char)) return { octets, end: at }
    if (char === "\\") {
      const escaped = escape(text, at)
      if (escaped === undefined) return undefined
      octets += escaped[0]
      at = escaped[1]
    } else {
      octets += char
      at++
    }
  }
}

/** Stops at the first mistake: what follows one cannot be told apart any more. */
export const entries = (text: string): Either.Either<ReadonlyArray<Entry>, SyntaxMistake> => {
  const all: Array<Entry> = []
  let tokens: Array<Token> = []
  let line = 1
  let began = 1
  let indented = false
  let open = 0
  let lineStart = true
  const close = () => {
    if (tokens.length > 0) all.push({ line: began, indented, tokens })
    tokens = []
  }
  const add = (token: Token) => {
    if (tokens.length === 0) began = line
    tokens.push(token)
  }
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at)
    if (lineStart && open === 0) indented = blank.test(char)
    lineStart = false
    if (char === "\n") {
      if (open === 0) close()
      line++
      lineStart = true
      at++
    } else if (blank.test(char)) at++
    else if (char === ";") {
      const end = text.indexOf("\n", at)
      at = end < 0 ? text.length : end
    } else if (char === "(") {
      open++
      at++
    } else if (char === ")") {
      if (open-- === 0) return Either.left({ line, problem: "a ) closes nothing" })
      at++
    } else if (char === '"') {
      const string = take(text, at + 1, (it) => it === '"' || it === "\n")
      if (string === undefined)
        return Either.left({ line, problem: "an escape is not \\DDD or \\X" })
      if (text[string.end] !== '"') return Either.left({ line, problem: "a quote is not closed" })
      add({ text: string.octets, quoted: true })
      at = string.end + 1
    } else {
      const word = take(text, at, (it) => plainEnd.test(it))
      if (word === undefined) return Either.left({ line, problem: "an escape is not \\DDD or \\X" })
      add({ text: word.octets, quoted: false })
      at = word.end
    }
  }
  if (open > 0) return Either.left({ line: began, problem: "a ( is not closed" })
  close()
  return Either.right(all)
}
