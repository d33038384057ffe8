import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Either, FastCheck, Option } from "effect"
import * as NetworkSetting from "../../src/runtime/NetworkSetting.ts"
import type { Setting } from "../../src/runtime/Setting.ts"

const read = <A>(setting: Setting<A>, text: string) =>
  Effect.runSync(
    Effect.either(ConfigProvider.fromMap(new Map([[setting.name, text]])).load(setting.config))
  )

describe("bindHosts", () => {
  const hosts = NetworkSetting.bindHosts("DMP_DNS_HOST", { about: "" })

  it.each([
    ["127.0.0.1", ["127.0.0.1"]],
    ["0.0.0.0, ::", ["0.0.0.0", "::"]],
    ["[2001:DB8::1],2001:db8::1", ["2001:db8::1"]],
    ["Node.Example,localhost,", ["node.example", "localhost"]],
    ["fe80::1%eth0", ["fe80::1%eth0"]]
  ])("reads %s", (text, expected) => {
    assert.deepStrictEqual(read(hosts, text), Either.right(expected))
  })
  it.each([
    "0",
    "127.1",
    "256.1.1.1",
    "[127.0.0.1]",
    "[::1",
    "a b",
    "a..b",
    "http://x",
    "::1:::",
    ",",
    "*"
  ])("refuses %j", (text) => {
    assert(Either.isLeft(read(hosts, text)))
  })
  it("is every address of the machine when unset, IPv4 first", () => {
    const result = read(hosts, "")
    assert.deepStrictEqual(result, Either.right(NetworkSetting.everyAddress()))
    assert.strictEqual(NetworkSetting.everyAddress()[0], "0.0.0.0")
  })
})

describe("isPublicBind", () => {
  it.each([
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.255.0.9",
    "::1",
    "0:0:0:0:0:0:0:1",
    " ::1 "
  ])("is false for %s", (host) => assert.isFalse(NetworkSetting.isPublicBind(host)))
  it.each([
    "",
    "0",
    "0.0.0.0",
    "::",
    "[::1]",
    "::ffff:127.0.0.1",
    "node",
    "127.0.0.1.example",
    "::1:1",
    "1::1",
    "192.0.2.1",
    "127.1"
  ])("is true for %j", (host) => assert.isTrue(NetworkSetting.isPublicBind(host)))
})

describe("cidrs", () => {
  const ranges = NetworkSetting.cidrs("DMP_TRUSTED_PROXIES", { about: "", default: ["::1/128"] })

  it.each([
    ["10.0.0.0/8", ["10.0.0.0/8"]],
    ["192.0.2.1, ::1", ["192.0.2.1/32", "::1/128"]],
    ["FD00::/8,fd00::/08", ["fd00::/8"]],
    ["none", []],
    ["", ["::1/128"]]
  ])("reads %s", (text, expected) => {
    assert.deepStrictEqual(read(ranges, text), Either.right(expected))
  })
  it.each([
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10/8",
    "fe80::1%eth0/64",
    "١٠.0.0.0/8",
    "any"
  ])("refuses %j", (text) => {
    assert(Either.isLeft(read(ranges, text)))
  })
})

describe("port", () => {
  const port = NetworkSetting.port("DMP_DNS_PORT", { about: "", default: 5353 })
  it.prop(
    "takes 0 to 65535 and nothing else",
    [FastCheck.integer({ min: -70_000, max: 140_000 })],
    ([n]) => {
      assert.strictEqual(Either.isRight(read(port, String(n))), n >= 0 && n <= 65_535)
    }
  )
})

describe("addresses", () => {
  it("keeps the families apart", () => {
    const four = NetworkSetting.addresses("A", { about: "", family: 4 })
    const six = NetworkSetting.addresses("A", { about: "", family: 6 })
    assert.deepStrictEqual(
      read(four, "192.0.2.1,192.0.2.2"),
      Either.right(["192.0.2.1", "192.0.2.2"])
    )
    assert(Either.isLeft(read(four, "::1")))
    assert(Either.isLeft(read(six, "192.0.2.1")))
    assert(Option.isNone(Either.getRight(read(six, "fe80::1%eth0"))))
  })
})
