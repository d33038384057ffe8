import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as Subject from "../../../src/auth/Subject.ts"
import * as AuditPage from "../../../src/http/admin/AuditPage.ts"
import * as BackupsPage from "../../../src/http/admin/BackupsPage.ts"
import { frame } from "../../../src/http/admin/Frame.ts"
import * as Numbers from "../../../src/http/admin/Numbers.ts"
import * as PeersPage from "../../../src/http/admin/PeersPage.ts"
import * as RefusalsPage from "../../../src/http/admin/RefusalsPage.ts"
import * as SettingsPage from "../../../src/http/admin/SettingsPage.ts"
import * as UsersPage from "../../../src/http/admin/UsersPage.ts"
import { html } from "../../../src/http/Html.ts"
import { palette } from "../../../src/http/Stylesheet.ts"
import { MetricReader } from "../../../src/runtime/MetricReader.ts"

const now = 1_700_000_000
const hostile = `"><script>alert(1)</script>`

const users: UsersPage.Users = {
  tokens: [
    {
      tokenHash: "ab".repeat(32),
      subject: Subject.unsafeMake("alice@mesh.test"),
      subjectType: 1,
      subjectHash12: null,
      ratePerSec: 1,
      rateBurst: 1,
      issuedAt: now - 60,
      expiresAt: now + 86_400,
      revokedAt: null,
      issuer: hostile,
      note: hostile,
      registeredSpk: null
    }
  ],
  keys: [
    {
      name: hostile,
      algorithm: "hmac-sha256",
      secret: Buffer.from("very-secret-octets"),
      allowedSuffixes: [hostile],
      createdAt: now,
      expiresAt: 0,
      revoked: false,
      subject: hostile,
      registeredSpk: "",
      registeredX25519Pub: ""
    }
  ],
  owners: [
    {
      subject: Subject.unsafeMake("alice@mesh.test"),
      spk: null,
      since: now,
      reservedUntil: null,
      bannedAt: now,
      note: hostile
    }
  ],
  multiTenant: true,
  updates: true,
  search: hostile,
  formToken: hostile,
  now,
  notice: html``
}

const peer = {
  node_id: hostile,
  endpoint: hostile,
  state: "failing",
  last_success: now - 120,
  lag_seconds: 120,
  failures: 3,
  last_error: hostile,
  clock_offset_seconds: null,
  extensions: [],
  cursor: "",
  rows_taken: 1,
  rows_refused: 0,
  quarantine: {}
}

describe("the operator's pages", () => {
  it("let nothing through unescaped, whoever wrote it", () => {
    const pages = [
      UsersPage.render(users),
      AuditPage.render(
        [
          {
            ts: now,
            event: hostile,
            subject: hostile,
            tokenHash: hostile,
            remoteAddr: hostile,
            detail: hostile
          }
        ],
        undefined
      ),
      SettingsPage.render([{ area: hostile, name: hostile, value: hostile, source: hostile }]),
      RefusalsPage.render(
        [{ network: hostile, limit: "dns", refusals: 1, lastAt: now }],
        [{ network: hostile, queries: 1, lastAt: now }],
        now
      ),
      PeersPage.render({
        cluster: Option.some({
          node_id: null,
          endpoint: null,
          manifest: { cluster_name: hostile, seq: "1", exp: now + 60, nodes: [] },
          deletions_remembered: 0,
          peers: [peer]
        } as unknown as Option.Option.Value<PeersPage.Peers["cluster"]>),
        heartbeats: true,
        peers: [{ endpoint: hostile, operatorSpk: hostile, version: hostile, heardAt: now }],
        now
      }),
      frame({ path: "/admin", node: hostile, formToken: hostile, body: html`${hostile}` })
    ]
    for (const { text } of pages) {
      assert.notInclude(text, "<script>")
      assert.notInclude(text, hostile)
      assert.include(text, "&lt;script&gt;")
    }
  })

  it("never show the secret of a key that exists", () => {
    const { text } = UsersPage.render(users)
    assert.notInclude(text, "very-secret-octets")
    assert.notInclude(text, Buffer.from("very-secret-octets").toString("base64"))
    assert.notInclude(text, Buffer.from("very-secret-octets").toString("hex"))
  })

  it("show so many rows, and say that there are more", () => {
    const [token] = users.tokens
    const many = { ...users, tokens: Array.from({ length: 130 }, () => token!) }
    const { text } = UsersPage.render(many)
    assert.strictEqual(text.split('action="/admin/tokens/revoke"').length - 1, 100)
    assert.include(text, "30 more")
  })

  it("offer no token where the mode has none, and no key without updates", () => {
    const { text } = UsersPage.render({ ...users, multiTenant: false, updates: false })
    assert.notInclude(text, "/admin/tokens/issue")
    assert.notInclude(text, "/admin/tsig/issue")
  })

  it("say when there are no backups", () => {
    assert.include(BackupsPage.render(new MetricReader([]), now).text, "makes no backups")
  })

  it("show the audit of one event only if there is such an event", () => {
    assert.strictEqual(AuditPage.eventIn("?event=issued"), "issued")
    assert.strictEqual(AuditPage.eventIn("?event=%3Cb%3E"), undefined)
    assert.strictEqual(AuditPage.eventIn(""), undefined)
  })
})

describe("numbers", () => {
  it.each([
    [Numbers.count(1_234_567), "1\u202f234\u202f567"],
    [Numbers.bytes(1536), "1.5 KiB"],
    [Numbers.bytes(0), "0 B"],
    [Numbers.seconds(0.000_25), "250 µs"],
    [Numbers.seconds(0.0042), "4.2 ms"],
    [Numbers.seconds(undefined), "–"],
    [Numbers.rate(0.25), "0.25 /s"],
    [Numbers.rate(12_000), "12\u202f000 /s"]
  ])("read %s", (shown, text) => assert.strictEqual(shown, text))

  it("are drawn inside their chart, the newest at its right edge", () => {
    const points = Numbers.polyline([0, 5, 10]).split(" ")
    assert.lengthOf(points, 3)
    assert.match(points[2]!, /^600\.0,/)
    for (const point of points) {
      const [x = Number.NaN, y = Number.NaN] = point.split(",").map(Number)
      assert.isTrue(x >= 0 && x <= 600 && y >= 0 && y <= 80, point)
    }
    assert.strictEqual(Numbers.polyline([]), "")
  })
})

/** WCAG 2.1's relative luminance of `#rrggbb` or `#rgb`. */
const luminance = (colour: string): number => {
  const hex = colour.length === 4 ? colour.replace(/[0-9a-f]/g, "$&$&") : colour
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.039_28 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const contrast = (a: string, b: string): number => {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (light + 0.05) / (dark + 0.05)
}

describe("colours", () => {
  const themes = palette
    .split("@media")
    .slice(0, 2)
    .map((theme) =>
      Object.fromEntries(
        [...theme.matchAll(/--([a-z-]+): (#[0-9a-f]{3,6})/g)].map(([, name, value]) => [
          name!,
          value!
        ])
      )
    )
  it.each([
    ["light", themes[0]!],
    ["dark", themes[1]!]
  ])("can be told apart in the %s theme (WCAG 2.1 AA)", (_, theme) => {
    for (const text of ["text", "soft", "accent", "good", "bad"])
      for (const ground of ["ground", "panel"])
        assert.isAtLeast(contrast(theme[text]!, theme[ground]!), 4.5, `${text} on ${ground}`)
    assert.isAtLeast(contrast(theme["on-accent"]!, theme["accent"]!), 4.5)
    assert.isAtLeast(contrast(theme["text"]!, theme["note"]!), 4.5)
    assert.isAtLeast(contrast(theme["mark"]!, theme["panel"]!), 3)
  })
})
