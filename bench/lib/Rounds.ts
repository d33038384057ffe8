/** Takes turns among what is compared, so that a noisy minute of the machine hits them all. */
import { median } from "./Machine.ts"

export interface Compared {
  readonly name: string
}

export type Of<R> = (name: string, pick: (result: R) => number) => number

/** Runs each of `compared` once in every round; gives medians over the rounds. */
export const interleaved = async <C extends Compared, R>(
  compared: ReadonlyArray<C>,
  rounds: number,
  run: (one: C) => Promise<R>
): Promise<Of<R>> => {
  const results = new Map<string, Array<R>>(compared.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const one of compared) results.get(one.name)?.push(await run(one))
  return (name, pick) => median((results.get(name) ?? []).map(pick))
}

/** A ratio as the tables print it. */
export const times = (a: number, b: number): string => `${(a / b).toFixed(2)} ×`
