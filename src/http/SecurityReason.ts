/**
 * What an answer says about its receiver, for the security log. Pure. Who presents no credential
 * has guessed at none: a browser that strays to `/metrics` is not reported.
 */
import type { Reason } from "../runtime/SecurityLog.ts"

/** Why an answer of `status` at `route` is worth a line; undefined where it is not. */
export const of = (
  status: number,
  route: string,
  authorization: string | undefined
): Reason | undefined => {
  if (status === 429) return "limit"
  if (status === 401) {
    if (route === "/admin/login") return "login"
    if (route.startsWith("/v1/registration/")) return "registration"
    return authorization === undefined ? undefined : "token"
  }
  return undefined
}
