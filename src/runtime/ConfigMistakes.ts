/** Everything wrong with the configuration, together: the operator mends it in one go. */
import { ConfigError, Data } from "effect"

export interface Mistake {
  readonly variable: string
  /** What is wrong, with the value unless it is secret, and what is accepted. One line. */
  readonly problem: string
}

/** The node cannot start with this configuration (exit code 78, EX_CONFIG). */
export class ConfigMistakes extends Data.TaggedError("ConfigMistakes")<{
  readonly mistakes: ReadonlyArray<Mistake>
}> {
  /** For the operator, one line a mistake. */
  get lines(): ReadonlyArray<string> {
    return this.mistakes.map(({ variable, problem }) => `${variable}: ${problem}`)
  }

  override get message(): string {
    return this.lines.join("\n")
  }
}

/** Every leaf of a `ConfigError`, in the order the settings were read. */
export const fromConfigError = (error: ConfigError.ConfigError): ReadonlyArray<Mistake> =>
  ConfigError.isAnd(error) || ConfigError.isOr(error)
    ? [...fromConfigError(error.left), ...fromConfigError(error.right)]
    : [{ variable: error.path.at(-1) ?? "configuration", problem: error.message }]
