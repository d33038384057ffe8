/**
 * One thread beside the main one on which every database is read and written, so that no
 * fsync, checkpoint or lock ever holds up an answer. Invariant: a call is answered exactly
 * once, and after the thread has died every call fails with `StoreError` `closed`.
 *
 * To host another store:
 * 1. Keep its contract to members that are effects, streams, or functions giving one of
 *    them; arguments and results plain data (objects, arrays, Map, Uint8Array, bigint, …,
 *    no functions and no class instances such as Option or Redacted: give `A | undefined`);
 *    every member may fail with `StoreError`, and with other errors that have a schema.
 *    Branded strings are plain. `Clock` in the store gives the caller's time. What is asked for
 *    very often may be plain code instead, of one argument and one that is told how it ended.
 * 2. Write its adapter as a layer over `SqlClient`, and beside it its description:
 *
 *        export const hosted = HostedStore.make(TokenStore, {
 *          name: "tokens",
 *          errors: SubjectRefused,               // Schema.Never when there are none
 *          members: { list: "effect", find: "call", ... },   // checked by the compiler
 *          layer: (path) =>
 *            layer.pipe(Layer.provide(SqliteFile.layer({ path, userVersion: 2, exclusive: false })))
 *        })
 *
 * 3. Add `SqlTokenStore.hosted` to `hostedStores.ts`.
 * 4. In the graph: `StoreThread.host(SqlTokenStore.hosted, { path })`, a
 *    `Layer<TokenStore, OpenError, StoreThread>`; without the thread the same layer over
 *    `SqliteFile.layer` gives the same service.
 */
import { Context, Data, Effect, Layer, Scope } from "effect"
import type { RecordStore } from "../zone/RecordStore.ts"
import * as CheckedRecords from "./CheckedRecords.ts"
import * as Caller from "./StoreCaller.ts"
import type { HostedStore } from "./HostedStore.ts"
import type { OpenError } from "./OpenError.ts"
import * as SqlRecordStore from "./SqlRecordStore.ts"
import * as Thread from "./Thread.ts"

/** The thread ended although nobody closed it: the node can no longer write and should end. */
export class StoreThreadDied extends Data.TaggedError("StoreThreadDied")<{
  readonly message: string
}> {}

export class StoreThread extends Context.Tag("dnsmesh/sql/StoreThread")<
  StoreThread,
  {
    /** Opens a store over a database file; it closes with the scope, after its pending calls. */
    readonly open: <I, S extends object, X>(
      store: HostedStore<I, S, X>,
      path: string
    ) => Effect.Effect<S, OpenError, Scope.Scope>
    /** Never succeeds; fails when the thread has died. For whoever ends the node. */
    readonly died: Effect.Effect<never, StoreThreadDied>
    /** Gives back the memory that only the start took; what is asked meanwhile waits. */
    readonly tidy: Effect.Effect<void>
  }
>() {
  /** The bare thread: starts with the scope, ends with it after every store has closed. */
  static readonly layerThread: Layer.Layer<StoreThread> = Layer.scoped(
    StoreThread,
    Effect.map(Thread.start(), (thread) => ({
      open: (store, path) => Caller.open(thread, store, path),
      died: Effect.mapError(thread.died, (message) => new StoreThreadDied({ message })),
      tidy: Effect.ignore(thread.ask((id) => ({ _tag: "Tidy", id })))
    }))
  )

  /** One store on the thread, over the database file at `path`. */
  static readonly host = <I, S extends object, X>(
    store: HostedStore<I, S, X>,
    options: { readonly path: string }
  ): Layer.Layer<I, OpenError, StoreThread> =>
    Layer.scoped(
      store.tag,
      Effect.flatMap(StoreThread, (thread) => thread.open(store, options.path))
    )

  /** The thread with the records on it; other stores join by `host`. */
  static readonly layer = (options: {
    readonly dbPath: string
  }): Layer.Layer<StoreThread | RecordStore | CheckedRecords.StoreCheck, OpenError> =>
    Layer.provideMerge(
      Layer.provide(
        CheckedRecords.layer,
        StoreThread.host(SqlRecordStore.hosted, { path: options.dbPath })
      ),
      StoreThread.layerThread
    )
}
