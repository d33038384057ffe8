import { assert, it } from "@effect/vitest"
import { unsafeMake } from "../../src/wire/Name.ts"
import { Shares } from "../../src/zone/Shares.ts"

const owner = unsafeMake("slot-1.mb-0123456789ab.mesh.test")

it("a value counts for its first writer, while it is there", () => {
  const shares = new Shares()
  shares.add(owner, "a", "alice")
  shares.add(owner, "a", "mallory")
  shares.add(owner, "b", "mallory")
  assert.strictEqual(shares.count(owner, ["a", "b", "c"], "alice"), 1)
  assert.strictEqual(shares.count(owner, ["a", "b", "c"], "mallory"), 1)
  // One that is known here but no longer in the zone counts for nobody.
  assert.strictEqual(shares.count(owner, ["b"], "alice"), 0)
  shares.remove(owner, "a")
  shares.remove(owner, "never")
  assert.strictEqual(shares.size, 1)
  shares.remove(owner, "b")
  shares.remove(owner, "b")
  assert.strictEqual(shares.size, 0)
})
