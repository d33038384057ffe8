/** The part of the `better-sqlite3` package that is used here; it brings no types of its own. */
declare module "better-sqlite3" {
  export interface Statement {
    /** True when it yields rows. */
    readonly reader: boolean
    /** The shape of a row is the statement's. */
    readonly all: <Row>(...params: ReadonlyArray<unknown>) => Array<Row>
    readonly iterate: <Row>(...params: ReadonlyArray<unknown>) => IterableIterator<Row>
    readonly run: (...params: ReadonlyArray<unknown>) => unknown
    /** Whether rows come as arrays from now on. */
    readonly raw: (on: boolean) => unknown
  }
  export default class Database {
    constructor(path: string)
    readonly prepare: (text: string) => Statement
    readonly close: () => void
    /** `f` as a transaction: COMMIT when it returns, ROLLBACK when it or the COMMIT throws. */
    readonly transaction: <Args extends ReadonlyArray<unknown>>(
      f: (...args: Args) => void
    ) => { readonly immediate: (...args: Args) => void }
  }
}
