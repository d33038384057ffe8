import { assert, describe, it } from "@effect/vitest"
import * as FirstSteps from "../../src/cli/FirstSteps.ts"

const wishes: FirstSteps.Wishes = {
  starter: "systemd",
  hostname: "dmp.example.com",
  zone: "mesh.example.com",
  mode: "multi-tenant",
  directory: "/srv/dmp",
  ipv4: ["203.0.113.7"],
  ipv6: ["2001:db8::7"],
  tokenFile: "/etc/dnsmesh/operator-token"
}
const records = (changed: Partial<FirstSteps.Wishes>) =>
  FirstSteps.registrar({ ...wishes, ...changed }).join("\n")

describe("FirstSteps", () => {
  it("delegates the zone to the host, whose addresses stand in its own parent", () => {
    const text = records({})
    assert.match(text, /mesh\.example\.com\.\s+3600\s+IN\s+NS\s+dmp\.example\.com\./)
    assert.match(text, /dmp\.example\.com\.\s+3600\s+IN\s+A\s+203\.0\.113\.7/)
    assert.match(text, /dmp\.example\.com\.\s+3600\s+IN\s+AAAA\s+2001:db8::7/)
    assert.include(text, "No glue is needed")
  })

  it("asks for glue when the name server is inside its zone, and only then", () => {
    assert.include(records({ hostname: "ns.mesh.example.com" }), "With glue")
    assert.include(records({ hostname: "ns.mesh.example.com" }), "DMP_ZONE_FILE")
    assert.notInclude(records({ hostname: "mesh.example.com" }), "DMP_ZONE_FILE")
    // A name that merely ends alike is not inside.
    assert.include(records({ hostname: "othermesh.example.com" }), "No glue")
  })

  it("shows where addresses are missing", () => {
    assert.include(records({ ipv4: [], ipv6: [] }), "this machine's public IPv4 address")
  })

  it("keeps the token out of a file that systemd reads, and out of a shell's", () => {
    for (const starter of ["systemd", "shell"] as const)
      assert.notInclude(FirstSteps.environmentFile({ ...wishes, starter }, "s3cret"), "s3cret")
    assert.include(
      FirstSteps.environmentFile({ ...wishes, starter: "compose" }, "s3cret"),
      "DMP_OPERATOR_TOKEN=s3cret"
    )
  })

  it("quotes what a shell would take apart", () => {
    const text = FirstSteps.environmentFile(
      { ...wishes, starter: "shell", directory: "/srv/my data" },
      "t"
    )
    assert.include(text, "DMP_DB_PATH='/srv/my data/dmp.db'")
  })

  it("knows host names", () => {
    for (const good of ["dmp.example.com", "a.b"]) assert.isTrue(FirstSteps.isHostname(good), good)
    for (const bad of ["localhost", "", "a..b", "a b.c", "x".repeat(64) + ".com"])
      assert.isFalse(FirstSteps.isHostname(bad), bad)
  })
})
