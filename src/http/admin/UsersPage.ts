/** Who may publish: subjects, their tokens and TSIG keys, given out and ended here. */
import { isReserved, type Owner } from "../../auth/Ownership.ts"
import type { TokenRow } from "../../auth/TokenRow.ts"
import { isLive } from "../../auth/TokenRow.ts"
import { isActive, type TsigKey } from "../../auth/TsigKey.ts"
import * as Ago from "../Ago.ts"
import { html, type Html } from "../Html.ts"
import { formField, table } from "./Frame.ts"
import * as Numbers from "./Numbers.ts"

/** Rows of each table shown at most. */
const shown = 100

export interface Users {
  readonly tokens: ReadonlyArray<TokenRow>
  readonly keys: ReadonlyArray<TsigKey>
  readonly owners: ReadonlyArray<Owner>
  /** The node has publish tokens at all. */
  readonly multiTenant: boolean
  /** The node takes DNS UPDATE. */
  readonly updates: boolean
  /** What was searched for; empty shows everybody. */
  readonly search: string
  readonly formToken: string
  /** Unix seconds. */
  readonly now: number
  /** What the last form did, or a problem with it. */
  readonly notice: Html
}

const until = (expiresAt: number | null, now: number): string =>
  expiresAt === null || expiresAt === 0
    ? "never"
    : expiresAt <= now
      ? "expired"
      : `in ${Ago.span(expiresAt - now)}`

/** A button that ends something after asking once more. */
const ending = (
  { formToken }: Users,
  action: string,
  field: readonly [name: string, value: string],
  what: string,
  label = "Revoke"
): Html =>
  html`<form method="post" action="${action}" data-confirm="${label} ${what}?">
    ${formField(formToken)}<input type="hidden" name="${field[0]}" value="${field[1]}" /><button
      class="danger"
      type="submit"
      aria-label="${label} ${what}"
    >
      ${label}
    </button>
  </form>`

const field = (
  id: string,
  label: string,
  extra: { readonly value?: string; readonly hint?: string; readonly required?: boolean } = {}
): Html => {
  const input = extra.required
    ? html`<input
        id="${id}"
        name="${id.replace(/^.*-/, "")}"
        placeholder="${extra.hint ?? ""}"
        value="${extra.value ?? ""}"
        autocomplete="off"
        spellcheck="false"
        required
      />`
    : html`<input
        id="${id}"
        name="${id.replace(/^.*-/, "")}"
        placeholder="${extra.hint ?? ""}"
        value="${extra.value ?? ""}"
        autocomplete="off"
        spellcheck="false"
      />`
  return html`<div><label for="${id}">${label}</label>${input}</div>`
}

const more = (all: number): Html =>
  all > shown
    ? html`<p class="soft">${Numbers.count(all - shown)} more: search for a subject.</p>`
    : html``

const tokens = (users: Users): Html => {
  const { formToken, now } = users
  return html`<section class="panel" aria-labelledby="tokens">
    <h2 id="tokens">Publish tokens</h2>
    ${table(
      "Tokens that are not revoked",
      ["Subject", "Token", "Issued", "Ends", "By", "Note", "Action"],
      users.tokens
        .slice(0, shown)
        .map((row) => [
          row.subject,
          html`<code>${row.tokenHash.slice(0, 12)}</code>`,
          `${Ago.span(now - row.issuedAt)} ago`,
          html`<span class="${isLive(row, now) ? "" : "soft"}">${until(row.expiresAt, now)}</span>`,
          row.issuer,
          row.note,
          ending(
            users,
            "/admin/tokens/revoke",
            ["hash", row.tokenHash],
            `token ${row.tokenHash.slice(0, 12)} of ${row.subject}`
          )
        ]),
      "There are no tokens."
    )}
    ${more(users.tokens.length)}
    <details>
      <summary>Issue a token</summary>
      <form class="fields" method="post" action="/admin/tokens/issue">
        ${formField(formToken)}
        ${field("token-subject", "Subject", { hint: "alice@mesh.example", required: true })}
        ${field("token-expires", "Life, such as 90d; empty for no end", { value: "90d" })}
        ${field("token-rate", "Writes per second", { value: "10" })}
        ${field("token-burst", "Writes at once", { value: "50" })} ${field("token-note", "Note")}
        <div><button type="submit">Issue token</button></div>
      </form>
    </details>
  </section>`
}

const keys = (users: Users): Html => {
  const { formToken, now } = users
  return html`<section class="panel" aria-labelledby="keys">
    <h2 id="keys">TSIG keys</h2>
    ${table(
      "Keys that are not revoked",
      ["Name", "Subject", "Algorithm", "Ends", "May write", "Action"],
      users.keys.slice(0, shown).map((key) => [
        html`<code>${key.name}.</code>`,
        key.subject === "" ? "–" : key.subject,
        key.algorithm,
        html`<span class="${isActive(key, now) ? "" : "soft"}">${until(key.expiresAt, now)}</span>`,
        html`<details>
          <summary>${key.allowedSuffixes.length} names</summary>
          ${key.allowedSuffixes.map((suffix) => html`<code>${suffix}</code><br />`)}
        </details>`,
        ending(users, "/admin/tsig/revoke", ["name", key.name], `key ${key.name}`)
      ]),
      "There are no TSIG keys."
    )}
    ${more(users.keys.length)}
    <details>
      <summary>Issue a TSIG key</summary>
      <form class="fields" method="post" action="/admin/tsig/issue">
        ${formField(formToken)}
        ${field("tsig-subject", "Subject", { hint: "alice@mesh.example", required: true })}
        ${field("tsig-spk", "Ed25519 key (hex), if the subject has none yet")}
        ${field("tsig-x25519", "X25519 key (hex), optional")}
        ${field("tsig-expires", "Life, such as 90d; empty for no end", { value: "90d" })}
        <div><button type="submit">Issue TSIG key</button></div>
      </form>
    </details>
  </section>`
}

const status = (owner: Owner, now: number): string =>
  owner.bannedAt !== null ? "banned" : isReserved(owner, now) ? "held" : "free"

const subjects = (users: Users): Html =>
  html`<section class="panel" aria-labelledby="subjects">
    <h2 id="subjects">Subjects</h2>
    ${table(
      "Who holds which name",
      ["Subject", "Key", "Since", "Reserved", "State", "Action"],
      users.owners
        .slice(0, shown)
        .map((owner) => [
          owner.subject,
          owner.spk === null ? "operator" : html`<code>${owner.spk.slice(0, 16)}</code>`,
          `${Ago.span(users.now - owner.since)} ago`,
          owner.reservedUntil === null
            ? "until released"
            : until(owner.reservedUntil, users.now).replace(/^in /, "for "),
          status(owner, users.now),
          ending(
            users,
            "/admin/subjects/revoke",
            ["subject", owner.subject],
            `all credentials of ${owner.subject}`,
            "Revoke all"
          )
        ]),
      "Nobody holds a name."
    )}
    ${more(users.owners.length)}
    <p class="soft">Ban, release and transfer: <code>dnsmesh-node subject</code>.</p>
  </section>`

export const render = (users: Users): Html =>
  html`${users.notice}
    <form class="fields panel" method="get" action="/admin/users" role="search">
      ${field("search-q", "Find a subject", { value: users.search, hint: "alice@" })}
      <div><button class="quiet" type="submit">Find</button></div>
    </form>
    ${
      users.multiTenant
        ? html`${tokens(users)}${subjects(users)}`
        : html`<p class="empty">
            This node has no publish tokens: <code>DMP_AUTH_MODE</code> is not
            <code>multi-tenant</code>.
          </p>`
    }
    ${
      users.updates
        ? keys(users)
        : html`<p class="empty">
            This node takes no DNS UPDATE and has no TSIG keys; see
            <code>DMP_DNS_UPDATE_ENABLED</code>.
          </p>`
    }`
