/**
 * Tokens that belong to one peer each: which one is shown to it, and by which ones it is known
 * here. A peer may have several of the latter while one is being replaced.
 */
import { Option, Redacted } from "effect"
import * as PeerUrl from "./PeerUrl.ts"

export interface PeerToken {
  /** Id of a node, or its base URL in its one spelling. */
  readonly peer: string
  readonly token: Redacted.Redacted<string>
}

const item = /^([A-Za-z0-9._-]{1,64}|https?:\/\/[^=]{1,256})=([\x21-\x2b\x2d-\x7e]{8,512})$/i

/** `peer=token`, separated by commas or line ends; nothing when one of them is not that. */
export const parse = (text: string): Option.Option<ReadonlyArray<PeerToken>> =>
  Option.all(
    text
      .split(/[,\n]/)
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map((part) => {
        const [, name = "", token = ""] = item.exec(part) ?? []
        const peer = name.includes("://")
          ? Option.map(PeerUrl.parse(name), ({ href }) => href)
          : Option.liftPredicate((id: string) => id !== "")(name)
        return Option.map(peer, (of): PeerToken => ({ peer: of, token: Redacted.make(token) }))
      })
  )

/** True when some peer has more than one. */
export const repeats = (tokens: ReadonlyArray<PeerToken>): boolean =>
  new Set(tokens.map(({ peer }) => peer)).size < tokens.length
