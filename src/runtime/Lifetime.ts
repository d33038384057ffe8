/** How long something shall live, as people write it. */
import { Either } from "effect"

const units: Readonly<Record<string, number>> = {
  "": 1,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800
}

/** Seconds of `90d`, `12h`, `3600`: ASCII digits and at most one unit, more than nothing. */
export const parse = (text: string): Either.Either<number, string> => {
  const [, digits, unit] =
    /^([0-9]{1,12})([smhdw]?)$/.exec(text.replace(/^[ \t]+|[ \t]+$/g, "")) ?? []
  if (digits === undefined || unit === undefined)
    return Either.left(`not a duration: '${text}' (digits and one of s, m, h, d, w)`)
  const seconds = Number(digits) * units[unit]!
  return seconds > 0
    ? Either.right(seconds)
    : Either.left(`'${text}' would be over at once; leave the option out for no end`)
}
