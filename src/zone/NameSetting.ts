/** Settings whose value is a DNS name; they hold it in canonical form. */
import { Option } from "effect"
import * as Setting from "../runtime/Setting.ts"
import * as Name from "../wire/Name.ts"

/** One name, or nothing. */
export const optionalName = (
  name: string,
  options: Setting.Described
): Setting.Setting<Option.Option<Name.Name>> =>
  Setting.optional(name, {
    ...options,
    accepts: "a DNS name such as mesh.example.org",
    parse: Name.parse
  })

/** Any number of names. */
export const names = (
  name: string,
  options: Setting.Described
): Setting.Setting<ReadonlyArray<Name.Name>> =>
  Setting.list(name, {
    ...options,
    items: "DNS names such as mesh.example.org",
    parseItem: Name.parse
  })
