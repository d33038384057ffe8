/**
 * Which rows a released node is shown: one it refuses to import would stop it at that row for
 * as long as the row lives. Nodes of this release are shown all they may want; they put aside
 * what they refuse.
 */
import { Either } from "effect"
import * as Claim from "../dmp/Claim.ts"
import * as ImportCheck from "../dmp/ImportCheck.ts"
import * as Record from "../dmp/Record.ts"
import * as Rotation from "../dmp/Rotation.ts"

/** Verdicts remembered; a signature costs 0.1 ms and rows are shown again and again. */
const capacity = 50_000

export class ServeFilter {
  /** Until when (s) the value with this hash is good, at its owner. */
  readonly #good = new Map<string, number>()
  readonly #operatorSpk: Uint8Array | undefined

  constructor(operatorSpk: Uint8Array | undefined) {
    this.#operatorSpk = operatorSpk
  }

  /** Released nodes import neither heartbeats nor anything else at these names. */
  static neverForReleased(owner: string): boolean {
    return owner.startsWith("_dnsmesh-")
  }

  /** Every node publishes what it has seen by itself. */
  static neverForOurs(owner: string): boolean {
    return owner.startsWith("_dnsmesh-") && !owner.startsWith("_dnsmesh-heartbeat.")
  }

  /** True when a released node would import `value`. `now` in Unix seconds. */
  importable(owner: string, value: string, hash: string, now: number): boolean {
    const key = `${owner} ${hash}`
    const until = this.#good.get(key)
    if (until !== undefined) return until > now
    if (Either.isLeft(ImportCheck.verifyRecord(value, owner, this.#operatorSpk, now))) return false
    if (this.#good.size >= capacity) this.#good.clear()
    this.#good.set(key, goodUntil(value))
    return true
  }
}

const goodUntil = (value: string): number => {
  const exp = (result: Record.Result<{ readonly exp: number }>) =>
    Either.match(result, { onLeft: () => 0, onRight: (record) => record.exp })
  switch (Record.typeOf(value)) {
    case "claim":
      return exp(Claim.parse(value))
    case "rotation":
      return exp(Rotation.parse(value))
    default:
      return Infinity
  }
}
