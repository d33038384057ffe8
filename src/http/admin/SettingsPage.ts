/** The configuration in effect. Secrets were replaced before they came here. */
import { html, type Html } from "../Html.ts"
import type { ShownSetting } from "../ShownSettings.ts"
import { table } from "./Frame.ts"

const rows = (settings: ReadonlyArray<ShownSetting>) =>
  settings.map(({ name, source, value }) => [
    html`<code>${name}</code>`,
    source === "default"
      ? html`<span class="soft">${value}</span>`
      : html`<strong>${value}</strong>`,
    source === "default" ? "default" : source === name ? "set" : html`<code>${source}</code>`
  ])

export const render = (settings: ReadonlyArray<ShownSetting>): Html => {
  const areas = [...new Set(settings.map(({ area }) => area))]
  return html`<p>
      Read once, at the start. What is set stands out; secrets say only that they are set.
    </p>
    ${areas.map(
      (area) =>
        html`<section class="panel">
          <h2>${area}</h2>
          ${table(
            area,
            ["Variable", "Value", "From"],
            rows(settings.filter((setting) => setting.area === area)),
            ""
          )}
        </section> `
    )}`
}
