/** What every page of the operator has around it. */
import { html, type Html } from "../Html.ts"
import { scriptPath, stylePath } from "./Assets.ts"

export interface Section {
  readonly path: string
  readonly title: string
}

export const sections: ReadonlyArray<Section> = [
  { path: "/admin", title: "Overview" },
  { path: "/admin/users", title: "Users" },
  { path: "/admin/refusals", title: "Refusals" },
  { path: "/admin/peers", title: "Peers" },
  { path: "/admin/backups", title: "Backups" },
  { path: "/admin/settings", title: "Settings" },
  { path: "/admin/audit", title: "Audit" }
]

export const bare = (title: string, body: Html): Html =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} · dnsmesh-node</title>
        <link rel="stylesheet" href="${stylePath}" />
        <link rel="icon" href="data:," />
        <script src="${scriptPath}" defer></script>
      </head>
      <body>
        ${body}
      </body>
    </html> `

/** A hidden field that shows the form to be this session's. */
export const formField = (token: string): Html =>
  html`<input type="hidden" name="form" value="${token}" />`

export interface Framed {
  readonly path: string
  /** The node's name. */
  readonly node: string
  readonly formToken: string
  readonly body: Html
}

export const frame = ({ body, formToken, node, path }: Framed): Html => {
  const title = sections.find((section) => section.path === path)?.title ?? "Dashboard"
  const links = sections.map((section) =>
    section.path === path
      ? html`<li><a href="${section.path}" aria-current="page">${section.title}</a></li> `
      : html`<li><a href="${section.path}">${section.title}</a></li> `
  )
  return bare(
    title,
    html`<a class="skip" href="#main">Skip to content</a>
      <header>
        <p class="node">${node}</p>
        <nav aria-label="Sections">
          <ul>
            ${links}
          </ul>
        </nav>
        <form method="post" action="/admin/logout">
          ${formField(formToken)}<button class="quiet" type="submit">Sign out</button>
        </form>
      </header>
      <main id="main" tabindex="-1">
        <h1>${title}</h1>
        ${body}
      </main>`
  )
}

/** A table that scrolls by itself where the screen is narrow. */
export const table = (
  caption: string,
  heads: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number | Html>>,
  empty: string
): Html =>
  rows.length === 0
    ? html`<p class="empty">${empty}</p>`
    : html`<div class="wide" role="region" aria-label="${caption}" tabindex="0">
        <table>
          <caption>
            ${caption}
          </caption>
          <thead>
            <tr>
              ${heads.map((head) => html`<th scope="col">${head}</th> `)}
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ([first = "", ...rest]) =>
                html`<tr>
                  <th scope="row">${first}</th>
                  ${rest.map((cell) => html`<td>${cell}</td> `)}
                </tr> `
            )}
          </tbody>
        </table>
      </div>`
