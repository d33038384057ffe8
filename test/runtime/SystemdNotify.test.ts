import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option } from "effect"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { announce, watchdogInterval } from "../../src/runtime/SystemdNotify.ts"
import { tempDirectory } from "../fixtures/TempDirectory.ts"
import * as Tools from "../fixtures/Tools.ts"

/** Prints every datagram it gets; the descriptors that come along close when they are not taken. */
const listen = `use Socket; $| = 1; socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
bind($s, pack_sockaddr_un($ARGV[0])) or die; print "bound\\n";
while (defined recv($s, my $m, 4096, 0)) { $m =~ s/\\n/ /g; print "$m\\n" }`

const there = Tools.installed("perl", "systemd-notify")

describe("SystemdNotify", () => {
  it.scopedLive.skipIf(!there)(
    "says ready, gives signs of life, and says stopping last",
    () =>
      Effect.gen(function* () {
        const socket = join(yield* tempDirectory, "notify")
        const systemd = yield* Tools.daemon("perl", ["-e", listen, socket])
        yield* Tools.eventually(Effect.sync(() => systemd.log().includes("bound")))
        const environment = {
          PATH: process.env["PATH"],
          NOTIFY_SOCKET: socket,
          WATCHDOG_USEC: "200000",
          WATCHDOG_PID: String(process.pid)
        }
        yield* Effect.scoped(
          Effect.zipRight(
            announce(environment, "serving"),
            Tools.eventually(
              Effect.sync(() => (systemd.log().match(/WATCHDOG=1/g)?.length ?? 0) >= 3)
            )
          )
        )
        yield* Tools.eventually(Effect.sync(() => systemd.log().includes("STOPPING=1")))
        const said = systemd
          .log()
          .split("\n")
          .filter((line) => /=/.test(line) && !line.startsWith("BARRIER"))
        assert.match(said[0] ?? "", /^READY=1/)
        assert.match(said[1] ?? "", /^STATUS=serving/)
        assert.match(said.at(-1) ?? "", /^STOPPING=1/)
      }),
    20_000
  )

  it.scopedLive("is no trouble when nobody listens, or listens no more", () =>
    Effect.gen(function* () {
      const nowhere = join(yield* tempDirectory, "gone")
      for (const environment of [
        {},
        { NOTIFY_SOCKET: "" },
        { NOTIFY_SOCKET: nowhere, PATH: "/usr/bin:/bin" },
        { NOTIFY_SOCKET: nowhere, PATH: "/nonexistent" }
      ])
        yield* Effect.scoped(announce(environment, "serving"))
    })
  )

  it("takes the watchdog's interval when it is meant for this process", () => {
    const interval = (WATCHDOG_USEC: string, WATCHDOG_PID?: string) =>
      Option.map(watchdogInterval({ WATCHDOG_USEC, WATCHDOG_PID }, 42), (duration) =>
        Duration.toMillis(duration)
      )
    assert.deepStrictEqual(interval("60000000"), Option.some(60_000))
    assert.deepStrictEqual(interval("60000000", "42"), Option.some(60_000))
    for (const [micros, pid] of [
      ["60000000", "43"],
      ["0", "42"],
      ["-5", "42"],
      ["1e6", "42"],
      ["", "42"],
      ["9".repeat(30), "42"]
    ] as const)
      assert.deepStrictEqual(interval(micros, pid), Option.none())
  })
})

const unit = join(import.meta.dirname, "../../ops/dnsmesh-node.service")

describe.skipIf(!Tools.installed("systemd-analyze"))("the systemd unit", () => {
  it("is understood by systemd in every line", () => {
    const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" })
    const complaints = stderr
      .split("\n")
      // The program is not installed where the tests run.
      .filter((line) => line.includes("dnsmesh-node.service") && !line.includes("not executable"))
    assert.deepStrictEqual(complaints, [])
  })

  it("is hardened, but lets V8 compile", () => {
    const { status, stdout } = spawnSync(
      "systemd-analyze",
      ["security", "--offline=true", "--threshold=20", unit],
      { encoding: "utf8" }
    )
    assert.strictEqual(status, 0, stdout)
    assert.match(stdout, /Overall exposure level[^:]*: 1\.\d OK/)
    assert.match(stdout, /✗ MemoryDenyWriteExecute=/)
  })
})
