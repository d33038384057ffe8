/**
 * How a store is described so that it can live on the store thread. Invariant: arguments
 * and results are plain data (what the structured clone algorithm copies), and every
 * member may fail with `StoreError`, besides the errors the description names.
 */
import { Context, Effect, type Exit, Layer, Schema, type Scope, type Stream } from "effect"
import { StoreError } from "../zone/RecordStore.ts"
import type { OpenError } from "./OpenError.ts"

/**
 * What a member of a store's contract is, seen from the calling side; `submit` is plain code of one
 * argument, and a second that is told how it ended, for what is too frequent for a fiber.
 */
export type MemberKind = "effect" | "stream" | "call" | "streamCall" | "submit"

type Carried<E, X, Kind extends MemberKind> = [StoreError] extends [E]
  ? [E] extends [StoreError | X]
    ? Kind
    : never
  : never

type KindOf<M, X> =
  M extends Effect.Effect<infer _A, infer E>
    ? Carried<E, X, "effect">
    : M extends Stream.Stream<infer _A, infer E>
      ? Carried<E, X, "stream">
      : M extends (...args: never) => Effect.Effect<infer _A, infer E>
        ? Carried<E, X, "call">
        : M extends (...args: never) => Stream.Stream<infer _A, infer E>
          ? Carried<E, X, "streamCall">
          : M extends (argument: never, told: (exit: Exit.Exit<infer _A, infer E>) => void) => void
            ? Carried<E, X, "submit">
            : never

/** One entry for every member of the contract; the compiler checks names, kinds and errors. */
export type Members<S, X> = { readonly [K in keyof S]: KindOf<S[K], X> }

/** A store behind its name: all the thread needs to know. */
export interface AnyHostedStore {
  /** Unique among the hosted stores. */
  readonly name: string
  /** Builds the store over one database file and gives its members by name. */
  readonly open: (
    path: string
  ) => Effect.Effect<ReadonlyMap<string, unknown>, OpenError, Scope.Scope>
  /** The plain form of an error that may cross; anything else is a defect. */
  readonly encodeError: (error: unknown) => Effect.Effect<unknown>
}

/** `X` is what members may fail with besides `StoreError`. */
export interface HostedStore<I, S, X> extends AnyHostedStore {
  readonly tag: Context.Tag<I, S>
  readonly members: Members<S, X>
  readonly decodeError: (error: unknown) => Effect.Effect<StoreError | X>
}

/**
 * Describes a store; `layer` builds it over the database file at a path, and `errors` is
 * the schema of what members may fail with besides `StoreError` (`Schema.Never` for none).
 */
export const make = <I, S extends object, X, XEncoded>(
  tag: Context.Tag<I, S>,
  options: {
    readonly name: string
    readonly errors: Schema.Schema<X, XEncoded>
    readonly members: Members<S, X>
    readonly layer: (path: string) => Layer.Layer<I, OpenError>
  }
): HostedStore<I, S, X> => {
  const errors = Schema.Union(StoreError, options.errors)
  const encode = Schema.encodeUnknown(errors)
  const decode = Schema.decodeUnknown(errors)
  return {
    name: options.name,
    tag,
    members: options.members,
    encodeError: (error) => encode(error).pipe(Effect.catchAll(() => Effect.die(error))),
    decodeError: (error) => Effect.orDie(decode(error)),
    open: (path) =>
      Effect.map(
        Layer.build(options.layer(path)),
        (context) => new Map<string, unknown>(Object.entries(Context.get(context, tag)))
      )
  }
}
