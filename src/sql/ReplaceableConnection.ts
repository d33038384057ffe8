/**
 * One connection shared by statements and transactions. Invariants: a lone statement never
 * slips into another fiber's transaction, and a connection the disk has failed is replaced
 * before it is trusted again.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import { Effect, Exit, Scope, Stream } from "effect"
import type { Reading } from "./Scan.ts"
import { codeOf, messageOf } from "./SqlReason.ts"
import type { Bound, SqliteConnection } from "./SqliteConnection.ts"

type Use = <A>(
  f: (connection: Connection) => Effect.Effect<A, SqlError>
) => Effect.Effect<A, SqlError>

interface Held {
  readonly connection: SqliteConnection
  readonly scope: Scope.CloseableScope
}

/** I/O errors a connection may meet before it is replaced. */
const ioTolerance = 2

const over = (use: Use): Connection => ({
  execute: (text, params, transform) => use((c) => c.execute(text, params, transform)),
  executeRaw: (text, params) => use((c) => c.executeRaw(text, params)),
  executeValues: (text, params) => use((c) => c.executeValues(text, params)),
  executeUnprepared: (text, params, transform) =>
    use((c) => c.executeUnprepared(text, params, transform)),
  executeStream: () => Stream.dieMessage("SQLite statements are not streamed")
})

const toSqlError = (error: unknown): SqlError =>
  error instanceof SqlError ? error : new SqlError({ cause: error, message: messageOf(error) })

export interface ReplaceableConnection {
  /** For statements outside a transaction. */
  readonly acquirer: Effect.Effect<Connection>
  /** Nobody else's statements run until the scope closes. */
  readonly transactionAcquirer: Effect.Effect<Connection, SqlError, Scope.Scope>
  /** As a statement outside a transaction. */
  readonly scan: Reading
  /**
   * Runs the statements at once, as one transaction; `undefined`, and nothing done, while somebody
   * else holds the connection or it has to be replaced first.
   */
  readonly atOnce: (statements: ReadonlyArray<Bound>) => Exit.Exit<void, SqlError> | undefined
}

/**
 * `first` opens the first connection and `again` each one after it, both in a scope of
 * their own. `farewell` runs on the last one before it is closed.
 */
export const make = <E>(options: {
  readonly first: Effect.Effect<SqliteConnection, E, Scope.Scope>
  readonly again: Effect.Effect<SqliteConnection, unknown, Scope.Scope>
  readonly farewell: (connection: Connection) => Effect.Effect<unknown, unknown>
}): Effect.Effect<ReplaceableConnection, E, Scope.Scope> =>
  Effect.gen(function* () {
    const semaphore = yield* Effect.makeSemaphore(1)
    /** What the semaphore knows, for those who cannot wait for it. */
    let held = false
    const exclusively = <A, E2, R>(effect: Effect.Effect<A, E2, R>) =>
      Effect.ensuring(
        Effect.suspend(() => {
          held = true
          return effect
        }),
        Effect.sync(() => {
          held = false
        })
      ).pipe(semaphore.withPermits(1))
    let current: Held | undefined
    let lost = false
    let ioErrors = 0

    const hold = <E2>(connect: Effect.Effect<SqliteConnection, E2, Scope.Scope>) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const connection = yield* connect.pipe(
          Scope.extend(scope),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        // The old one closes only now: as long as one is open, SQLite remembers which of the
        // WAL's frames were never committed. Opened afresh it would take those for committed.
        const replaced = current
        current = { connection, scope }
        lost = false
        ioErrors = 0
        if (replaced !== undefined) yield* Scope.close(replaced.scope, Exit.void)
        return connection
      }).pipe(Effect.uninterruptible)

    const connection = Effect.suspend(() =>
      current !== undefined && !lost
        ? Effect.succeed(current.connection)
        : Effect.mapError(hold(options.again), toSqlError)
    )

    // SQLite takes a failed transaction back on the same connection, so the first I/O error is
    // borne. Where they go on, or our own statements cannot be prepared, the file may have been
    // replaced beneath us.
    const judge = (error: SqlError): void => {
      const code = codeOf(error)
      if (code.startsWith("SQLITE_IOERR")) ioErrors++
      lost ||=
        ioErrors >= ioTolerance ||
        /^SQLITE_(CORRUPT|NOTADB|CANTOPEN|READONLY)/.test(code) ||
        error.message.startsWith("Failed to prepare")
    }
    const judging = (error: SqlError) => Effect.sync(() => judge(error))

    yield* Effect.acquireRelease(hold(options.first), () =>
      Effect.suspend(() =>
        current === undefined
          ? Effect.void
          : Effect.zipRight(
              Effect.ignore(options.farewell(current.connection)),
              Scope.close(current.scope, Exit.void)
            )
      ).pipe(exclusively)
    )

    return {
      acquirer: Effect.succeed(
        over((f) => exclusively(Effect.flatMap(connection, f).pipe(Effect.tapError(judging))))
      ),
      // Judged when the transaction has ended: it stays on one connection, and its ROLLBACK
      // has to reach that one.
      transactionAcquirer: Effect.gen(function* () {
        yield* Effect.acquireRelease(
          Effect.tap(semaphore.take(1), () => {
            held = true
          }),
          () =>
            Effect.suspend(() => {
              held = false
              return semaphore.release(1)
            })
        )
        const pinned = yield* connection
        let failure: SqlError | undefined
        yield* Effect.addFinalizer(() => (failure === undefined ? Effect.void : judging(failure)))
        return over((f) =>
          Effect.tapError(f(pinned), (error) => Effect.sync(() => (failure ??= error)))
        )
      }),
      scan: (...reading) =>
        exclusively(
          Effect.flatMap(connection, ({ scan }) => scan(...reading)).pipe(Effect.tapError(judging))
        ),
      atOnce: (statements) => {
        if (held || lost || current === undefined) return undefined
        try {
          current.connection.together(statements)
          return Exit.void
        } catch (cause) {
          const error = toSqlError(cause)
          judge(error)
          return Exit.fail(error)
        }
      }
    }
  })
