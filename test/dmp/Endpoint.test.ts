import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { strict, tolerated } from "../../src/dmp/Endpoint.ts"

describe("endpoints that released nodes and we agree on", () => {
  it.each([
    "https://h",
    "https://h:8053",
    "http://h",
    "http://dnsmesh-node-a:8053",
    "https://[2606:4700:4700::1111]:443",
    "https://192.88.99.1",
    "https://9.9.9.9:1"
  ])("takes %s", (endpoint) => {
    assert.isTrue(tolerated(endpoint))
    assert.isTrue(strict(endpoint))
  })
})

describe("endpoints only tolerated in what others sign", () => {
  it.each([
    "HTTPS://H.Example",
    "https://h?",
    "https://h#",
    "https://h?#",
    "https://h:",
    "https://h:99999",
    "https://h:abc",
    "https://2130706433",
    "https://127.1",
    "https://0x7f.0.0.1",
    "https://127.0.0.1.",
    "https://localhost.",
    "https://x.localhost",
    "https://100.64.0.1",
    "https://100.127.255.254:8053",
    "https://ho_st",
    "https://a..b",
    "https://<script>",
    'https://a"b',
    "https://h:0"
  ])("tolerates %s", (endpoint) => {
    assert.isTrue(tolerated(endpoint))
    assert.isFalse(strict(endpoint))
  })
})

describe("endpoints nobody takes", () => {
  it.each([
    "",
    "h",
    "//h",
    "https://",
    "https:///x",
    "https://:443",
    "https://h/",
    "https://h/x",
    "https://h?x=1",
    "https://h#f",
    "ftp://h",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://user@h",
    "https://user:pw@h",
    "https://@h",
    "https://a@127.0.0.1",
    "https://h\\@127.0.0.1",
    "https://h h",
    "https://h\n",
    "https://h\u007f",
    "https://é.example",
    "https://localhost",
    "https://LOCALHOST:1",
    "https://localhost.localdomain",
    "https://ip6-localhost",
    "https://127.0.0.1",
    "https://127.255.0.9:8053",
    "https://10.1.2.3",
    "https://172.16.0.1",
    "https://172.31.255.255",
    "https://192.168.1.1",
    "https://169.254.169.254",
    "https://224.0.0.1",
    "https://240.0.0.1",
    "https://255.255.255.255",
    "https://0.0.0.0",
    "https://192.0.2.1",
    "https://198.18.0.1",
    "https://198.19.255.255",
    "https://[::1]",
    "https://[::]",
    "https://[fe80::1]",
    "https://[fe80::1%25eth0]",
    "https://[fc00::1]",
    "https://[fd12::1]:443",
    "https://[ff02::1]",
    "https://[::ffff:127.0.0.1]",
    "https://[64:ff9b::1]",
    "https://[2002::1]",
    "https://[2001:db8::1]",
    "https://[2001::1]",
    "https://[::1",
    "https://::1]",
    "https://[h]",
    `https://${"h".repeat(248)}`
  ])("refuses %j", (endpoint) => {
    assert.isFalse(tolerated(endpoint))
    assert.isFalse(strict(endpoint))
  })
})

describe("the strict rule", () => {
  it("takes no endpoint that released nodes would refuse", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: fc.constantFrom(..."https:/.@[]?#\\1290xaf-_ "), maxLength: 30 }),
          fc.webUrl()
        ),
        (endpoint) => assert.isTrue(!strict(endpoint) || tolerated(endpoint))
      ),
      { numRuns: 500 }
    ))
})
