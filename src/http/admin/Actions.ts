/** What the forms of the users' page do, through the same rules as the operator's commands. */
import { Effect, Either, Option, Redacted } from "effect"
import { type CredentialRefused, invalid } from "../../auth/CredentialRules.ts"
import * as Credentials from "../../auth/Credentials.ts"
import type { RegistrationConfig } from "../../auth/RegistrationConfig.ts"
import type { TokenStore } from "../../auth/TokenStore.ts"
import * as TsigCredentials from "../../auth/TsigCredentials.ts"
import type { TsigKeyStore } from "../../auth/TsigKeyStore.ts"
import type { UpdateConfig } from "../../auth/UpdateConfig.ts"
import * as Lifetime from "../../runtime/Lifetime.ts"
import type { StoreError } from "../../zone/RecordStore.ts"
import type { ZoneConfig } from "../../zone/ZoneConfig.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import * as Refusal from "../Refusal.ts"
import type { Fields } from "./Form.ts"

/** What the actions change, and by which rules. */
export type Needs = TokenStore | TsigKeyStore | RegistrationConfig | UpdateConfig | ZoneConfig

/** How the form ended, to be shown above the page. */
export interface Outcome {
  readonly status: number
  readonly notice: Html
}

const done = (text: string): Outcome => ({
  status: 200,
  notice: html`<p class="done" role="status">${text}</p>`
})
const problem = (text: string): Outcome => ({
  status: 400,
  notice: html`<p class="problem" role="alert">${text}</p>`
})

const secret = (title: string, lines: ReadonlyArray<readonly [string, string]>): Outcome => ({
  status: 200,
  notice: html`<section class="panel" role="status">
    <h2>${title}</h2>
    <p>Shown this once, and kept nowhere it could be read again. Pass it on safely.</p>
    <dl>
      ${lines.map(
        ([name, value], i) =>
          html`<dt class="soft">${name}</dt>
            <dd><code class="secret" id="issued-${i}">${value}</code></dd> `
      )}
    </dl>
    <button class="quiet" type="button" hidden data-copy="issued-0">Copy</button>
  </section>`
})

const issuer = "dashboard"

const lifetimeIn = (fields: Fields) => {
  const text = fields.get("expires")
  return text === ""
    ? Either.right(Option.none<number>())
    : Either.mapBoth(Lifetime.parse(text), {
        onLeft: invalid,
        onRight: Option.some
      })
}

const numberIn = (fields: Fields, name: string): number => {
  const text = fields.get(name)
  return text === "" ? Number.NaN : Number(text)
}

const answered = <R>(
  effect: Effect.Effect<Outcome, CredentialRefused | StoreError, R>
): Effect.Effect<Outcome, Refusal.Refusal, R> =>
  effect.pipe(
    Effect.catchTags({
      CredentialRefused: ({ message }) => Effect.succeed(problem(message)),
      StoreError: (error) => Effect.fail(Refusal.storeUnavailable(error))
    })
  )

export const issueToken = (fields: Fields) =>
  answered(
    Effect.gen(function* () {
      const { row, token } = yield* Credentials.issueToken({
        subject: fields.get("subject"),
        lifetime: yield* lifetimeIn(fields),
        ratePerSec: numberIn(fields, "rate"),
        rateBurst: numberIn(fields, "burst"),
        note: fields.get("note"),
        prekeyPub: "",
        issuer
      })
      return secret(`Token for ${row.subject}`, [
        ["token", Redacted.value(token)],
        ["ends", row.expiresAt === null ? "never" : `${Ago.utc(row.expiresAt)} UTC`]
      ])
    })
  )

export const revokeToken = (fields: Fields) =>
  answered(
    Effect.map(Credentials.revokeToken(fields.get("hash")), (was) =>
      was ? done("The token is revoked.") : problem("There is no such live token.")
    )
  )

export const revokeSubject = (fields: Fields) =>
  answered(
    Effect.map(Credentials.revokeSubject(fields.get("subject")), (count) =>
      count > 0 ? done(`${count} credentials are revoked.`) : problem("There was none to revoke.")
    )
  )

export const issueTsigKey = (fields: Fields) =>
  answered(
    Effect.gen(function* () {
      const key = yield* TsigCredentials.issue({
        subject: fields.get("subject"),
        spk: fields.get("spk"),
        x25519Pub: fields.get("x25519"),
        lifetime: yield* lifetimeIn(fields),
        issuer
      })
      return secret(`TSIG key for ${key.subject}`, [
        ["secret (base64)", Buffer.from(key.secret).toString("base64")],
        ["name", `${key.name}.`],
        ["algorithm", key.algorithm],
        ["ends", key.expiresAt === 0 ? "never" : `${Ago.utc(key.expiresAt)} UTC`]
      ])
    })
  )

export const revokeTsigKey = (fields: Fields) =>
  answered(
    Effect.map(TsigCredentials.revoke(fields.get("name")), (was) =>
      was ? done("The key is revoked.") : problem("There is no such live key.")
    )
  )
