/** What a running node takes over from files that change, and what it does with bad ones. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as C from "./ClusterProcess.ts"
import { directory, type NodeProcess, publish, request } from "./NodeProcess.ts"

const said = (node: NodeProcess, what: string, times = 1) =>
  C.until(
    Effect.sync(() => node.output().split(what).length > times),
    15_000
  )

const statusWith = (member: C.Member, token: string) =>
  Effect.map(C.ask(member, "/v1/sync/digest", token), ({ status }) => status)

describe("files that change under a running node", () => {
  it.scopedLive(
    "bring in other sync tokens, seeds and allow-lists at SIGHUP or by themselves",
    () =>
      Effect.gen(function* () {
        const dir = yield* directory
        const file = (name: string, text: string) => {
          const path = join(dir, name)
          writeFileSync(path, text)
          return path
        }
        file("token-a", "first-token-of-all\n")
        file("token-b", "another-token-of-b\n")
        file("allowed", "# everybody at home\nhome.test\n")
        const [ma, mb] = yield* C.members(["a", "b"], {
          env: (id) => ({
            DMP_SYNC_PEER_TOKEN: "",
            DMP_SYNC_PEER_TOKEN_FILE: join(dir, `token-${id}`),
            // Long: whoever is refused must not have to wait for its turn.
            DMP_SYNC_INTERVAL: "600",
            DMP_AUTH_MODE: "multi-tenant",
            DMP_REGISTRATION_ENABLED: "1",
            DMP_NODE_HOSTNAME: "node.home.test",
            DMP_REGISTRATION_ALLOWLIST_FILE: join(dir, "allowed")
          })
        })
        assert.isDefined(ma)
        assert.isDefined(mb)
        const a = yield* C.run(ma)
        const b = yield* C.run(mb)
        const owner = `x.${C.zone}`
        assert.strictEqual((yield* publish(a, owner, "v=1", 300, C.operatorToken)).status, 201)
        yield* said(b, "refuses our sync token")
        assert.strictEqual(yield* statusWith(ma, "first-token-of-all"), 200)

        // Nothing but an empty file: what was good stays, and the log says why.
        file("token-a", "")
        a.child.kill("SIGHUP")
        yield* said(a, "they cannot be used, everything stays as it was")
        assert.match(a.output(), /DMP_SYNC_PEER_TOKEN_FILE: .*token-a" is empty/)
        assert.strictEqual(yield* statusWith(ma, "first-token-of-all"), 200)

        // A good list beside a bad token is not taken over by half.
        file("allowed", "home.test\nfriends.test\n")
        a.child.kill("SIGHUP")
        yield* said(a, "they cannot be used, everything stays as it was", 2)
        assert.notInclude((yield* request(a, "/")).body, "@friends.test")

        file("token-a", "another-token-of-b\n")
        a.child.kill("SIGHUP")
        yield* said(
          a,
          "read the files of settings again: DMP_REGISTRATION_ALLOWLIST, DMP_SYNC_PEER_TOKEN changed"
        )
        assert.strictEqual(yield* statusWith(ma, "first-token-of-all"), 403)
        assert.strictEqual(yield* statusWith(ma, "another-token-of-b"), 200)

        // The other learns of it by looking at its own file, without a signal, and asks at once.
        file("token-b", "another-token-of-b \n")
        file("token-b", "third-token-for-both\n")
        file("token-a", "third-token-for-both\n")
        yield* said(b, "DMP_SYNC_PEER_TOKEN changed")
        yield* C.until(
          Effect.map(C.valuesAt(b, owner), (values) => values.join() === "v=1"),
          15_000
        )
        assert.strictEqual(yield* statusWith(mb, "third-token-for-both"), 200)
        for (const node of [a, b])
          for (const token of ["first-token", "another-token", "third-token"])
            assert.notInclude(node.output(), token)
      }),
    60_000
  )

  it.scopedLive("say of what cannot change that it waits for the next start", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const path = join(dir, "operator")
      writeFileSync(path, C.operatorToken)
      const [member] = yield* C.members(["a"], {
        peersOf: () => [],
        env: () => ({ DMP_OPERATOR_TOKEN: "", DMP_OPERATOR_TOKEN_FILE: path })
      })
      assert.isDefined(member)
      const node = yield* C.run(member)
      writeFileSync(path, "another-operator-token-of-this-test")
      node.child.kill("SIGHUP")
      yield* said(node, "DMP_OPERATOR_TOKEN changed in a file and will count from the next start")
      yield* said(node, "read the files of settings again: nothing new")
      yield* said(node, "read the cluster file again: there is none")
      const owner = `x.${C.zone}`
      assert.strictEqual((yield* publish(node, owner, "v=1", 300, C.operatorToken)).status, 201)
    })
  )
})
