/** The look of the public pages: system fonts, light and dark by the visitor's wish, nothing from elsewhere. */

/** Colours by purpose, each pair with a contrast of 4.5 or more; shared with the dashboard. */
export const palette = `:root { color-scheme: light dark;
  --ground: #fbfbfa; --panel: #fff; --text: #1c2024; --soft: #5a636d; --line: #d9dde1;
  --accent: #0b5cad; --on-accent: #fff; --good: #1a6b3c; --bad: #a3271c; --note: #fff4d6; --mark: #2f7fd1 }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --panel: #1c2024; --text: #e6e9ec; --soft: #a4adb6; --line: #343a41;
  --accent: #7db8f5; --on-accent: #10151a; --good: #6fd093; --bad: #ff9d92; --note: #3a3116; --mark: #5ba3ea } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
a { color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px }
h1, h2, h3 { line-height: 1.2 }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .75rem; background: var(--panel); border: 1px solid var(--line); border-radius: .4rem }
pre code { font-size: 1em; overflow-wrap: normal }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line) }
thead th { border-top: 0; color: var(--soft); font-weight: 600 }
.wide { overflow-x: auto }
.warning { background: var(--note); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem }
.fresh { color: var(--good) }
.stale { color: var(--soft) }
`

export const stylesheet = `${palette}
body { max-width: 54rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 1px solid var(--line); margin-top: 1.75rem }
nav { border-top: 1px solid var(--line); margin-top: 1.75rem; padding-top: 1rem }
.facts { display: grid; gap: .5rem; margin: 1.5rem 0 }
.facts div { display: grid; grid-template-columns: minmax(7rem, 10rem) 1fr; gap: .75rem }
dt { color: var(--soft) }
dd { margin: 0 }
.method { font-weight: bold; margin-right: .5rem }
`
