/** Style and script of the dashboard. The paths name their content, so both may be kept for long. */
import { palette } from "../Stylesheet.ts"

export const style = `${palette}
body { max-width: 78rem; margin: 0 auto; padding: 0 1rem 3rem }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; padding: .75rem 0; border-bottom: 1px solid var(--line) }
.node { margin: 0; font-weight: 650; overflow-wrap: anywhere }
header nav { flex: 1 }
header ul { display: flex; flex-wrap: wrap; gap: .25rem; margin: 0; padding: 0; list-style: none }
header nav a { display: block; padding: .35rem .6rem; border-radius: .4rem; text-decoration: none; color: var(--text) }
header nav a:hover { background: var(--panel) }
header nav a[aria-current] { background: var(--accent); color: var(--on-accent) }
.skip { position: absolute; left: -99rem }
.skip:focus { left: 1rem; top: .5rem; background: var(--panel); padding: .5rem }
h1 { font-size: 1.5rem; margin: 1.25rem 0 .75rem }
h2 { font-size: 1.1rem; margin: 0 0 .5rem }
main:focus { outline: none }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)) }
.tiles { display: grid; gap: .75rem; grid-template-columns: repeat(4, minmax(0, 1fr)); margin: 0 0 1rem; padding: 0; list-style: none }
@media (max-width: 50rem) { .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)) } }
.tiles li, .panel { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem .9rem; min-width: 0 }
.panel { margin: 0 0 1rem }
.grid .panel { margin: 0 }
.tiles b { display: block; font-size: 1.35rem; font-weight: 650; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.tiles span, .soft, .empty { color: var(--soft) }
td, tbody th { font-variant-numeric: tabular-nums }
tbody th { font-weight: 500 }
td:last-child, th:last-child { padding-right: 0 }
.chart { display: block; width: 100%; height: 5rem; color: var(--mark) }
.chart polyline { fill: none; stroke: currentColor; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round }
.chart line { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke }
progress { width: 100%; height: .6rem; accent-color: var(--mark); min-width: 5rem }
.good { color: var(--good) } .bad, .problem { color: var(--bad) }
.problem, .done { border: 1px solid currentColor; border-radius: .4rem; padding: .6rem .75rem }
.done { color: var(--good) }
.secret { font-size: 1rem; user-select: all }
form.stack { display: grid; gap: .4rem; max-width: 30rem }
form.fields { display: grid; gap: .6rem .9rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); align-items: end }
form.fields button { justify-self: start }
dd { margin: 0 0 .5rem }
form.fields div { display: grid; gap: .2rem; min-width: 0 }
label { color: var(--soft); font-size: .9rem }
input { font: inherit; width: 100%; min-height: 2.5rem; padding: .35rem .6rem; color: inherit; background: var(--ground); border: 1px solid var(--soft); border-radius: .4rem }
button { font: inherit; min-height: 2.5rem; padding: .35rem 1rem; border: 1px solid var(--accent); border-radius: .4rem; background: var(--accent); color: var(--on-accent); cursor: pointer }
button.quiet { background: none; color: var(--text); border-color: var(--soft) }
button.danger { background: none; color: var(--bad); border-color: var(--bad); min-height: 2rem; padding: .1rem .7rem }
.narrow { max-width: 28rem; margin: 12vh auto 0 }
summary { cursor: pointer; padding: .25rem 0 }
@media (max-width: 40rem) { header form { margin-left: auto } header nav { order: 3; flex-basis: 100% } }
@media (prefers-reduced-motion: no-preference) { button, header nav a { transition: background-color .15s } }
`

/**
 * Everything works without it. With it the numbers of a page that has any are fresh every five
 * seconds, revoking asks once more, and a secret can be copied by a button.
 */
export const script = `"use strict"
const all = (selector) => document.querySelectorAll(selector)
for (const form of all("form[data-confirm]"))
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault()
  })
for (const button of all("button[data-copy]")) {
  button.hidden = false
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent)
    button.textContent = "Copied"
  })
}
const state = document.getElementById("live-state")
const refresh = async () => {
  if (document.hidden) return
  try {
    const response = await fetch("/admin/live.json", { redirect: "error" })
    if (response.status === 401) return location.reload()
    if (!response.ok) throw new Error(String(response.status))
    const { texts, points } = await response.json()
    for (const element of all("[data-live]")) {
      const text = texts[element.dataset.live]
      if (text !== undefined && element.textContent !== text) element.textContent = text
    }
    for (const line of all("[data-points]"))
      if (points[line.dataset.points] !== undefined)
        line.setAttribute("points", points[line.dataset.points])
    state.textContent = "Live"
    state.className = "good"
  } catch {
    state.textContent = "No answer from the node; the numbers are old"
    state.className = "bad"
  }
}
if (state !== null) {
  state.textContent = "Live"
  setInterval(refresh, 5000)
}
`

// FNV-1a: names a version, protects nothing.
const version = (text: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}

export const stylePath = `/admin/style.css?v=${version(style)}`
export const scriptPath = `/admin/app.js?v=${version(script)}`
