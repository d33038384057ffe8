/**
 * Writers and the way back to them. Invariant: each is told once, whatever another makes of what it
 * is told, and so few in one turn of the event loop that queries need not wait.
 */
import type { Exit } from "effect"
import { contained } from "../runtime/Contained.ts"
import type { Applied, PublishError, WriteRequest } from "./WriteRequest.ts"

/** Writers answered in one turn of the event loop: an answer takes some 50 µs. */
const answersPerTurn = 16

export type Resume = (exit: Exit.Exit<Applied, PublishError>) => void

/** A request on its way. */
export class Waiting {
  readonly request: WriteRequest
  #resume: Resume | undefined

  constructor(request: WriteRequest, resume: Resume) {
    this.request = request
    this.#resume = resume
  }

  tell(exit: Exit.Exit<Applied, PublishError>): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.(exit)
  }
}

interface Answer {
  readonly entry: Waiting
  readonly exit: Exit.Exit<Applied, PublishError>
}

export class WriterAnswers {
  #due: Array<Answer> = []
  readonly #onEmpty: () => void
  readonly #onDefect: (defect: unknown) => void

  /**
   * `onEmpty` is called when the last that was due has been given; `onDefect` with what a writer
   * threw, though it should not.
   */
  constructor(onEmpty: () => void, onDefect: (defect: unknown) => void) {
    this.#onEmpty = onEmpty
    this.#onDefect = onDefect
  }

  get isEmpty(): boolean {
    return this.#due.length === 0
  }

  /** Gives the first of them at once, if none are due from before. */
  give(answers: ReadonlyArray<Answer>): void {
    const underWay = !this.isEmpty
    this.#due.push(...answers)
    if (!underWay) this.#some()
  }

  #some(): void {
    for (const { entry, exit } of this.#due.splice(0, answersPerTurn))
      contained(() => entry.tell(exit), this.#onDefect)
    if (this.isEmpty) this.#onEmpty()
    else setImmediate(() => this.#some())
  }
}
