/** Why an operator's command ended without doing its work. */
import { Data } from "effect"

export class AdminFailure extends Data.TaggedError("AdminFailure")<{
  /** 1: it could not be done; 2: it was asked wrongly. */
  readonly exitCode: 1 | 2
  /** One line for stderr. */
  readonly message: string
}> {}

/** The command line is wrong; nothing was touched. */
export const usage = (message: string) => new AdminFailure({ exitCode: 2, message })

/** What was asked for cannot be had. */
export const failed = (message: string) => new AdminFailure({ exitCode: 1, message })
