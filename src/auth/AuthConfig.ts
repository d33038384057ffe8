/** Who may write by which credential, and what a written value must look like. */
import { Config, Context, Layer, Option, type Redacted } from "effect"
import { isPublicBind } from "../runtime/NetworkSetting.ts"
import * as Setting from "../runtime/Setting.ts"

export type AuthMode = "open" | "legacy" | "multi-tenant"
export type RecordValidation = "off" | "known-types" | "strict"

export const settings = {
  operatorToken: Setting.secret("DMP_OPERATOR_TOKEN", {
    aliases: ["DMP_HTTP_TOKEN"],
    about:
      "Bearer token of the operator: writes in legacy and multi-tenant mode, reads of records over HTTP, and the metrics."
  }),
  mode: Setting.optionalLiteral("DMP_AUTH_MODE", {
    about:
      "Who may write over HTTP: anybody (open), the operator (legacy), or the operator and users with tokens (multi-tenant).",
    values: ["open", "legacy", "multi-tenant"],
    defaultText: "(open without an operator token, legacy with one)"
  }),
  allowOpenPublicBind: Setting.boolean("DMP_ALLOW_OPEN_PUBLIC_BIND", {
    about: "Lets DMP_AUTH_MODE=open listen on an address that others can reach.",
    default: false
  }),
  recordValidation: Setting.literal("DMP_RECORD_VALIDATION", {
    about:
      "What mesh records are checked for when written: nothing (off), the types this node knows (known-types), or those and nothing else (strict).",
    values: ["off", "known-types", "strict"],
    default: "known-types"
  })
}

export interface AuthConfigShape {
  readonly mode: AuthMode
  /** True when the mode was not set but follows from whether there is an operator token. */
  readonly modeDerived: boolean
  readonly operatorToken: Option.Option<Redacted.Redacted<string>>
  readonly allowOpenPublicBind: boolean
  readonly recordValidation: RecordValidation
}

export const config: Config.Config<AuthConfigShape> = Setting.all(settings).pipe(
  Config.map((read) => ({
    ...read,
    mode: Option.getOrElse(read.mode, (): AuthMode =>
      Option.isSome(read.operatorToken) ? "legacy" : "open"
    ),
    modeDerived: Option.isNone(read.mode)
  }))
)

/**
 * Why this node must not listen on `hosts`, if so: somebody asked for open mode where others
 * can reach it, and did not say that this is meant. A derived open mode only earns a warning.
 */
export const openBindProblem = (
  auth: Pick<AuthConfigShape, "mode" | "modeDerived" | "allowOpenPublicBind">,
  hosts: ReadonlyArray<string>
): Option.Option<string> => {
  const host = hosts.find(isPublicBind)
  return auth.mode === "open" &&
    !auth.modeDerived &&
    !auth.allowOpenPublicBind &&
    host !== undefined
    ? Option.some(
        `"open" is refused while HTTP listens on ${host}, give legacy or multi-tenant, or set DMP_HTTP_HOST=127.0.0.1, or DMP_ALLOW_OPEN_PUBLIC_BIND=1 to let everybody write`
      )
    : Option.none()
}

export class AuthConfig extends Context.Tag("dnsmesh/auth/AuthConfig")<
  AuthConfig,
  AuthConfigShape
>() {
  static readonly layer = Layer.effect(AuthConfig, config)
}
