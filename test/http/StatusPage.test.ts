import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as Ago from "../../src/http/Ago.ts"
import { escape, html } from "../../src/http/Html.ts"
import * as StatusPage from "../../src/http/StatusPage.ts"
import { ask, raw, start } from "./TestNode.ts"

const base: StatusPage.Status = {
  mode: "multi-tenant",
  selfService: true,
  tsig: true,
  updates: true,
  allowlist: [],
  zones: ["mesh.example"],
  hostname: Option.some("node.example"),
  records: 7,
  own: Option.none(),
  peers: [],
  now: 1_000_000
}
const render = (change: Partial<StatusPage.Status>) => StatusPage.render({ ...base, ...change })
const self = { endpoint: "https://node.example", operatorSpk: "a".repeat(64), version: "9.9" }
const peer = (endpoint: string, heardAt: number) => ({
  endpoint,
  operatorSpk: `12345678${"0".repeat(52)}beef`,
  version: "",
  heardAt
})

describe("the visitors' page", () => {
  it("tells how to register, with TSIG keys only where updates are taken", () => {
    assert.include(render({}), "dnsmesh register --node node.example")
    assert.include(render({}), "dnsmesh tsig register --node node.example")
    const without = render({ tsig: false, updates: false })
    assert.notInclude(without, "tsig register")
    assert.include(without, "takes no DNS UPDATE")
    assert.include(render({ tsig: false }), "given out by the operator")
  })

  it("names the domains that may register, or says that all may", () => {
    assert.include(render({ allowlist: ["a.example"] }), "<code>@a.example</code>")
    assert.include(render({}), "every domain")
  })

  it("invites nobody where nobody may come", () => {
    for (const change of [
      { selfService: false },
      { mode: "legacy" as const },
      { mode: "open" as const }
    ])
      assert.notInclude(render(change), "dnsmesh register")
    assert.include(render({ selfService: false }), "Registration is closed")
    assert.include(render({ mode: "legacy" }), "its operator's own")
    assert.include(render({ mode: "open" }), "This node is open")
  })

  it("gives dig commands for the served zone, for heartbeats once there are some", () => {
    assert.include(render({}), "dig @node.example mesh.example SOA")
    assert.notInclude(render({}), "_dnsmesh-heartbeat")
    const shown = render({ own: Option.some(self) })
    assert.include(shown, "dig @node.example _dnsmesh-heartbeat.mesh.example TXT")
    assert.include(shown, "dig @node.example _dnsmesh-seen.mesh.example TXT")
  })

  it("shows itself once and first among its peers, and how old each heartbeat is", () => {
    const text = render({
      own: Option.some(self),
      peers: [
        { ...self, version: "1.0", heardAt: 5 },
        peer("https://b.example", base.now - 120),
        peer("https://c.example", base.now - 90_000)
      ]
    })
    const rows = [...text.matchAll(/<td><a href="([^"]*)"/g)].map(([, href]) => href)
    assert.deepStrictEqual(rows, ["https://node.example", "https://b.example", "https://c.example"])
    assert.include(text, "<td>9.9</td>")
    assert.notInclude(text, "<td>1.0</td>")
    assert.include(text, "12345678...beef")
    assert.match(text, /class="fresh">2m ago/)
    assert.match(text, /class="stale">1d ago/)
  })

  it("says how to be seen while heartbeats are off", () => {
    for (const name of ["ENABLED", "SELF_ENDPOINT", "OPERATOR_KEY_PATH"])
      assert.include(render({}), `DMP_HEARTBEAT_${name}`)
    assert.notInclude(render({}), "<table>")
  })

  it("lets nothing through unescaped", () => {
    const hostile = `"><script>alert(1)</script>`
    const text = render({
      zones: [hostile],
      hostname: Option.some(hostile),
      allowlist: [hostile],
      own: Option.some({ ...self, version: hostile }),
      peers: [peer(hostile, 1)]
    })
    assert.notInclude(text, "<script")
    assert.notInclude(text, `"">`)
    assert.strictEqual(escape(`<a b="c">&'`), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;")
    assert.strictEqual(html`<i>${html`<b>${"<"}</b>`}</i>`.text, "<i><b>&lt;</b></i>")
  })

  it("loads nothing from elsewhere and runs nothing", () => {
    const text = render({ own: Option.some(self) })
    assert.notMatch(text, /<script|<img|<iframe|style=|\son[a-z]+=|@import|src=/i)
    assert.deepStrictEqual(
      [...text.matchAll(/<link[^>]*href="([^"]*)"/g)].map(([, href]) => href),
      ["/style.css"]
    )
  })

  it.scopedLive("reads its terms from the settings, and HEAD tells its size alone", () =>
    Effect.gen(function* () {
      const node = yield* start({ auth: { mode: "legacy" } })
      const page = yield* ask(node, "GET", "/")
      assert.include(page.text, "its operator's own")
      const head = yield* raw(node, ["HEAD / HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n"])
      assert.match(
        head.text,
        new RegExp(`content-length: ${Buffer.byteLength(page.text)}\r\n`, "i")
      )
      assert.isTrue(head.text.endsWith("\r\n\r\n"))
      for (const [, link] of page.text.matchAll(/href="(\/[^"]*)"/g))
        assert.strictEqual((yield* ask(node, "GET", link!)).status, 200, link)
    })
  )
})

describe("spans of time", () => {
  it.each([
    [-5, "0s"],
    [0.9, "0s"],
    [59, "59s"],
    [60, "1m"],
    [3599, "59m"],
    [7200, "2h"],
    [86_400, "1d"]
  ])("%d seconds are %s", (seconds, text) => assert.strictEqual(Ago.span(seconds), text))
})
