/**
 * Sessions of the operator's browser, carried by the browser and signed by this process. A
 * session says that somebody had the operator's token and when that stops counting; the key is
 * made at the start, so a restart ends all of them. Invariant: what was ended stays ended.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"

/** A `visitor` has shown nothing yet: the session only ties a login form to a browser. */
export type SessionKind = "visitor" | "operator"

export interface Session {
  readonly kind: SessionKind
  /** Random, 128 bits. */
  readonly id: string
  /** Unix seconds. */
  readonly expiresAt: number
}

export interface OperatorSessions {
  readonly open: (kind: SessionKind, now: number) => Session
  /** What the browser keeps. */
  readonly seal: (session: Session) => string
  /** The session a browser shows, unless it is forged, over or ended. */
  readonly read: (sealed: string, now: number) => Session | undefined
  /** Remembered until it would be over by itself; only who has a session can end one. */
  readonly end: (session: Session, now: number) => void
  /** What a form of this session must carry. */
  readonly formToken: (session: Session) => string
  readonly isFormToken: (session: Session, presented: string) => boolean
}

/** Seconds. */
export const lifetimes: Readonly<Record<SessionKind, number>> = { visitor: 3600, operator: 28_800 }

const shape = /^(visitor|operator)\.([A-Za-z0-9_-]{22})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})$/

export const make = (): OperatorSessions => {
  const key = randomBytes(32)
  const ended = new Map<string, number>()
  const mac = (purpose: string, text: string): Buffer =>
    createHmac("sha256", key).update(`${purpose}\0${text}`).digest()
  const text = ({ expiresAt, id, kind }: Session): string => `${kind}.${id}.${expiresAt}`
  const isMac = (purpose: string, of: string, presented: string): boolean => {
    const octets = Buffer.from(presented, "base64url")
    const expected = mac(purpose, of)
    return octets.length === expected.length && timingSafeEqual(octets, expected)
  }

  return {
    open: (kind, now) => ({
      kind,
      id: randomBytes(16).toString("base64url"),
      expiresAt: now + lifetimes[kind]
    }),
    seal: (session) => `${text(session)}.${mac("session", text(session)).toString("base64url")}`,
    read: (sealed, now) => {
      const [, kind, id, expires, presented] = shape.exec(sealed) ?? []
      if ((kind !== "visitor" && kind !== "operator") || id === undefined) return undefined
      const session: Session = { kind, id, expiresAt: Number(expires) }
      if (!isMac("session", text(session), presented ?? "")) return undefined
      return session.expiresAt > now && !ended.has(id) ? session : undefined
    },
    end: ({ expiresAt, id }, now) => {
      for (const [other, until] of ended) if (until <= now) ended.delete(other)
      ended.set(id, expiresAt)
    },
    formToken: (session) => mac("form", text(session)).toString("base64url"),
    isFormToken: (session, presented) => isMac("form", text(session), presented)
  }
}
