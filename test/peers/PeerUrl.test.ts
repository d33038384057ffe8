import { assert, describe, it } from "@effect/vitest"
import { Either, Option } from "effect"
import * as PeerUrl from "../../src/peers/PeerUrl.ts"

const href = (text: string) => Option.getOrUndefined(PeerUrl.parse(text))?.href

describe("PeerUrl", () => {
  it.each([
    ["http://node-b:8053", "http://node-b:8053"],
    ["HTTP://Node-B:8053/", "http://node-b:8053"],
    ["http://node_b", "http://node_b"],
    ["https://a.example.org:443", "https://a.example.org"],
    ["https://a.example.org/base//", "https://a.example.org/base"],
    ["http://[2001:DB8::1]:8053", "http://[2001:db8::1]:8053"],
    ["http://10.0.0.1", "http://10.0.0.1"]
  ])("takes %s as %s", (text, expected) => assert.strictEqual(href(text), expected))

  it.each([
    "",
    "node-b:8053",
    "ftp://a.org",
    "file:///etc/passwd",
    "http://",
    "http://user@a.org",
    "http://a.org@127.0.0.1",
    "http://a.org?x",
    "http://a.org#x",
    "http://a.org/../b",
    "http://a.org:0",
    "http://a.org:99999",
    "http://a.org:abc",
    "http://a..org",
    "http://127.1",
    "http://2130706433",
    "http://0x7f.1",
    "http://a.org.",
    "http://[::1",
    "http://[fe80::1%25eth0]",
    'http://a"b.org',
    "http://a b.org",
    "http://a\\@b.org"
  ])("refuses %s", (text) => assert.isUndefined(href(text)))

  const allowed = (address: string, by: PeerUrl.ChosenBy) =>
    Either.isRight(PeerUrl.vet("host", address, by))

  it.each(["10.0.0.1", "192.168.1.1", "127.0.0.1", "::1", "fd00::1", "8.8.8.8", "2606:4700::1"])(
    "lets the operator name %s",
    (address) => assert.isTrue(allowed(address, "operator"))
  )
  it.each([
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "fe80::1",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255"
  ])("connects to %s for nobody", (address) => {
    assert.isFalse(allowed(address, "operator"))
    assert.isFalse(allowed(address, "stranger"))
  })
  it.each([
    "10.0.0.1",
    "127.0.0.1",
    "::1",
    "fd00::1",
    "100.64.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "192.0.2.1",
    "not an address"
  ])("does not let strangers point to %s", (address) =>
    assert.isFalse(allowed(address, "stranger"))
  )
  it("lets strangers point to public addresses", () => {
    assert.isTrue(allowed("8.8.8.8", "stranger"))
    assert.isTrue(allowed("2606:4700:4700::1111", "stranger"))
  })
})
