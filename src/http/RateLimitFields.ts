/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): what the limits that
 * one request was charged to have left for its sender, so that clients slow down before they are
 * refused. Says what the limiters said, and nothing where none was asked.
 */
import type { Standing } from "../runtime/RateLimiter.ts"

/** Names of the limits, as the documentation explains them; clients tell them apart by these. */
export type LimitName = "client" | "token" | "registration" | "sync" | "dns" | "login" | "legacy"

interface Told {
  readonly name: LimitName
  readonly standing: Standing
}
const none: ReadonlyArray<Told> = []

export class RateLimitFields {
  #told: ReadonlyArray<Told> = none

  /** The latest standing of a limit is the one that counts; none means that it does not bind. */
  tell(name: LimitName, standing: Standing | undefined): void {
    if (standing === undefined) return
    const at = this.#told.findIndex((told) => told.name === name)
    this.#told =
      at < 0 ? [...this.#told, { name, standing }] : this.#told.with(at, { name, standing })
  }

  /** Puts the two fields among `headers`, if there is anything to say. */
  writeTo(headers: Record<string, string | number>): void {
    if (this.#told.length === 0) return
    let policy = ""
    let limit = ""
    for (const { name, standing } of this.#told) {
      const item = `${policy === "" ? "" : ", "}"${name}"`
      policy += `${item};q=${standing.quota};w=${standing.window}`
      limit += `${item};r=${standing.remaining};t=${standing.reset}`
    }
    headers["RateLimit-Policy"] = policy
    headers["RateLimit"] = limit
  }
}
