/** The fields of a form that a browser sent. */
import { Effect } from "effect"
import * as Refusal from "../Refusal.ts"
import type { Exchange } from "../Route.ts"

const cap = 16_384

export interface Fields {
  /** Trimmed; empty when the form has no such field. */
  readonly get: (name: string) => string
}

export const read = (exchange: Exchange): Effect.Effect<Fields, Refusal.Refusal> => {
  const [type = ""] = (exchange.request.headers["content-type"] ?? "").split(";")
  if (type.trim().toLowerCase() !== "application/x-www-form-urlencoded")
    return Effect.fail(
      new Refusal.Refusal({ status: 415, code: "not-a-form", error: "a form is expected" })
    )
  return Effect.map(exchange.body(cap), (octets) => {
    const fields = new URLSearchParams(octets.toString("utf8"))
    return { get: (name) => (fields.get(name) ?? "").trim() }
  })
}
