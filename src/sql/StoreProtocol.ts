/** What the two sides of the store thread say to each other. Invariant: plain data only. */
import type { OpenError } from "./OpenError.ts"

interface Numbered {
  /** Chosen by the asking side; the reply carries the same. */
  readonly id: number
}

interface OfMember extends Numbered {
  /** The `id` with which the store was opened. */
  readonly store: number
  readonly member: string
  readonly args: ReadonlyArray<unknown>
  /** The caller's clock in Unix ms, so that a store sees one time on both sides. */
  readonly now: number
}

export type Call = { readonly _tag: "Call" } & OfMember
/** As a call, of a member that is plain code and calls back. */
export type Submit = {
  readonly _tag: "Submit"
  readonly store: number
  readonly member: string
  readonly argument: unknown
} & Numbered
/** Starts a stream; its `id` names the cursor. */
export type OpenCursor = { readonly _tag: "OpenCursor" } & OfMember
export type Open = {
  readonly _tag: "Open"
  readonly name: string
  readonly path: string
} & Numbered
export type Close = { readonly _tag: "Close"; readonly store: number } & Numbered
/** Asks for the next elements of a cursor: nothing is read ahead of the asker. */
export type Next = { readonly _tag: "Next"; readonly cursor: number } & Numbered
/** Gives a cursor up. */
export type Release = { readonly _tag: "Release"; readonly cursor: number } & Numbered
/** Gives back the memory that only opening and filling took. */
export type Tidy = { readonly _tag: "Tidy" } & Numbered

export type Asked = Call | Submit | OpenCursor | Open | Close | Next | Release | Tidy
/** `Stop` closes every store and ends the thread; it has no reply. */
export type Request = Asked | { readonly _tag: "Stop" }

export type Reply =
  | ({ readonly _tag: "Done"; readonly value: unknown } & Numbered)
  | ({ readonly _tag: "Elements"; readonly elements: ReadonlyArray<unknown> } & Numbered)
  | ({ readonly _tag: "End" } & Numbered)
  /** The encoded error of the store that was asked. */
  | ({ readonly _tag: "Failed"; readonly error: unknown } & Numbered)
  | ({ readonly _tag: "NotOpened"; readonly error: typeof OpenError.Encoded } & Numbered)
  /** A defect: a bug in the store, not a state of the disk. */
  | ({ readonly _tag: "Died"; readonly message: string } & Numbered)
