/** A running node that strangers register at, with one of them registered; shared by a file's tests. */
import { Context, Effect, Layer, type Scope } from "effect"
import type { Key } from "../../src/wire/Tsig.ts"
import { directory, type Environment, NodeProblem, type NodeProcess, start } from "./NodeProcess.ts"
import * as User from "./User.ts"

export interface Member {
  readonly user: User.User
  readonly key: Key
}

export interface Running extends Member {
  readonly env: Environment & { readonly DMP_DB_PATH: string }
  readonly node: NodeProcess
}

/** Somebody else, with a TSIG key. */
export const join = (node: NodeProcess, name: string): Effect.Effect<Member, NodeProblem> =>
  Effect.gen(function* () {
    const user = User.person(`${name}@${User.zone}`)
    const answer = yield* User.register(node, "tsig-confirm", user)
    if (answer.status !== 200) return yield* new NodeProblem({ message: answer.body })
    return { user, key: User.keyOf(answer) }
  })

export const begin = (over: Environment = {}): Effect.Effect<Running, NodeProblem, Scope.Scope> =>
  Effect.gen(function* () {
    const env = { ...User.community(yield* directory), ...over }
    const node = yield* start(env)
    return { env, node, ...(yield* join(node, "alice")) }
  })

export class Community extends Context.Tag("dnsmesh/test/Community")<Community, Running>() {
  static readonly layer = Layer.scoped(Community, begin())
}

/** For `layer` of the tests: sockets and processes want the real clock. */
export const shared = { excludeTestServices: true, timeout: "60 seconds" } as const
