/** The command line of a benchmark: `name=number` and bare flags, nothing else. */

export interface Options<F extends string> {
  readonly has: (flag: F) => boolean
}

/** Reads `name=number` over the given defaults; anything unknown ends the program. */
export const options = <N extends string, F extends string = never>(
  defaults: Readonly<Record<N, number>>,
  flags: ReadonlyArray<F> = []
): Readonly<Record<N, number>> & Options<F> => {
  const given = process.argv.slice(2)
  const numbers: Record<N, number> = { ...defaults }
  const known = new Set<string>(flags)
  for (const name in numbers)
    for (const argument of given)
      if (argument.startsWith(`${name}=`)) {
        numbers[name] = Number(argument.slice(name.length + 1))
        known.add(argument)
      }
  const unknown = given.filter((argument) => !known.has(argument))
  if (unknown.length > 0 || Object.values(numbers).some(Number.isNaN)) {
    const accepted = [...Object.entries(defaults).map((pair) => pair.join("=")), ...flags]
    console.error(`not understood: ${unknown.join(" ")}\naccepted: ${accepted.join(" ")}`)
    process.exit(64)
  }
  return { ...numbers, has: (flag) => given.includes(flag) }
}
