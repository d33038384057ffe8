/** The way in. */
import { html, type Html } from "../Html.ts"
import { bare, formField } from "./Frame.ts"

/** `problem` with the last attempt, or empty. */
export const render = (formToken: string, problem: string): Html =>
  bare(
    "Sign in",
    html`<main id="main" class="narrow">
      <h1>Sign in</h1>
      <p>The operator token opens this node's dashboard.</p>
      ${problem === "" ? html`` : html`<p class="problem" role="alert">${problem}</p>`}
      <form method="post" action="/admin/login" class="stack">
        ${formField(formToken)}
        <label for="token">Operator token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus
        />
        <button type="submit">Sign in</button>
      </form>
    </main>`
  )

/** Instead of what a form asked for that is not of this session. */
export const outdated: Html = bare(
  "Not done",
  html`<main id="main" class="narrow">
    <h1>Not done</h1>
    <p>
      This form is not one of your present session: it is too old, or was not sent from this page.
      Nothing was changed.
    </p>
    <p><a href="/admin">Back to the dashboard</a></p>
  </main>`
)
