/** What an operator must be told at every start, although the node runs. */
import { Option } from "effect"
import { isPublicBind } from "../runtime/NetworkSetting.ts"
import type { NodeConfig } from "../Settings.ts"

/** Messages to be logged at WARNING. */
export const startWarnings = ({ auth, http }: NodeConfig): ReadonlyArray<string> => {
  const host = http.hosts.find(isPublicBind)
  const warnings: Array<string> = []
  if (Option.isNone(auth.operatorToken))
    warnings.push(
      "metrics endpoint unauthenticated: no operator token is set, so /metrics is open to everybody who reaches it; set DMP_OPERATOR_TOKEN (or its alias DMP_HTTP_TOKEN) before the node is reachable from the Internet"
    )
  if (auth.mode === "open" && host !== undefined)
    warnings.push(
      `open mode on a public address: HTTP listens on ${host} and everybody who reaches it may publish; set DMP_OPERATOR_TOKEN, or listen on 127.0.0.1 only`
    )
  return warnings
}
