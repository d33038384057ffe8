/**
 * Which keys follow which, as the rotations and revocations of one subject say. Invariant: each
 * step was signed by both keys, of two successors of one key the later statement counts, and
 * nothing leads to a key that has declared itself dead, nor on from one that others have.
 */
import { Either } from "effect"
import * as Hostname from "./Hostname.ts"
import * as Record from "./Record.ts"
import * as Revocation from "./Revocation.ts"
import * as Rotation from "./Rotation.ts"
import type { SubjectKind } from "./Subject.ts"

export interface Succession {
  /** Keys that are dead, 64 hex digits each. */
  readonly revoked: ReadonlySet<string>
  /** True when `key` is, by rotations, what one of `from` has become. */
  readonly leads: (from: ReadonlySet<string>, key: string) => boolean
}

/** Signatures looked at in one RRset: some 0.1 ms each. */
const most = 32

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex")

/** `now` in Unix seconds; `name` is a host name. What is unsound or of another subject is left out. */
export const read = (
  wires: ReadonlyArray<string>,
  kind: SubjectKind,
  name: string,
  now: number
): Succession => {
  const revoked = new Set<string>()
  const stolen = new Set<string>()
  const next = new Map<string, { readonly key: string; readonly seq: bigint }>()
  const isOurs = (subject: { readonly kind: SubjectKind; readonly name: string }) =>
    subject.kind === kind && Hostname.same(subject.name, name)
  const torn = new Set<string>()
  for (const wire of wires.slice(0, most)) {
    const dead = Either.getOrUndefined(Revocation.verify(wire, now))
    if (dead !== undefined && isOurs(dead.subject)) {
      revoked.add(hex(dead.revokedSpk))
      if (dead.reason === "compromise") stolen.add(hex(dead.revokedSpk))
    }
    const step = Either.getOrUndefined(Rotation.verify(wire, now))
    if (step === undefined || !isOurs(step.subject) || step.ts > now + Record.maxSkew) continue
    const from = hex(step.oldSpk)
    const to = { key: hex(step.newSpk), seq: step.seq }
    const known = next.get(from)
    if (known === undefined || to.seq > known.seq) {
      next.set(from, to)
      torn.delete(from)
    } else if (to.seq === known.seq && to.key !== known.key) torn.add(from)
  }
  const leads = (from: ReadonlySet<string>, key: string): boolean =>
    !revoked.has(key) &&
    [...from].some((start) => {
      const passed = new Set<string>()
      let at = start
      while (!passed.has(at)) {
        passed.add(at)
        const step = next.get(at)
        // Two successors with one number: nobody can say which was meant.
        if (step === undefined || torn.has(at) || stolen.has(at)) return false
        if (step.key === key) return true
        at = step.key
      }
      return false
    })
  return { revoked, leads }
}
