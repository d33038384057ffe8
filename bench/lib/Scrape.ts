/** What the node says of itself on /metrics. */
import { token } from "./Node.ts"

/** A metric summed over its label sets; 0 when there is none. */
export const metric = async (http: number, name: string): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${http}/metrics`, {
    headers: { authorization: `Bearer ${token}` }
  })
  const text = await response.text()
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0)
}
