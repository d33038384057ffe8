/** Cuts the names to pull into requests a peer will take. */
import { maxPullNames } from "./SyncApi.ts"

/** `{"names":[]}`, and per name two quotes and a comma. */
const frame = 12
const perName = 3

/** Batches of at most `maxNames` names whose JSON has at most `maxBytes` octets. Names are ASCII. */
export const batches = (
  names: Iterable<string>,
  maxBytes: number,
  maxNames = maxPullNames
): ReadonlyArray<ReadonlyArray<string>> => {
  const all: Array<Array<string>> = []
  let current: Array<string> = []
  let size = frame
  for (const name of names) {
    const cost = name.length + perName
    if (current.length > 0 && (current.length === maxNames || size + cost > maxBytes)) {
      all.push(current)
      current = []
      size = frame
    }
    current.push(name)
    size += cost
  }
  if (current.length > 0) all.push(current)
  return all
}

/** Both halves of a batch of at least two. */
export const halves = (
  names: ReadonlyArray<string>
): readonly [ReadonlyArray<string>, ReadonlyArray<string>] => {
  const middle = Math.ceil(names.length / 2)
  return [names.slice(0, middle), names.slice(middle)]
}
