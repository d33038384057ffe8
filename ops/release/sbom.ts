/**
 * The software bill of materials in CycloneDX, from the lock file alone:
 * `node ops/release/sbom.ts > sbom.cdx.json`. npm lists; what would differ from run to run, or
 * tell of the machine, is taken out, so that one lock file has one bill.
 */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { production, root } from "./Lock.ts"

interface Component {
  readonly "bom-ref": string
  readonly name: string
  readonly version: string
}
interface Dependency {
  readonly ref: string
  readonly dependsOn: ReadonlyArray<string>
}

const bill = JSON.parse(
  execFileSync(
    "npm",
    ["sbom", "--sbom-format=cyclonedx", "--sbom-type=application", "--package-lock-only"],
    {
      cwd: fileURLToPath(root),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 64 * 1024 * 1024
    }
  )
)
delete bill.serialNumber
delete bill.metadata.timestamp
// npm calls the component after the directory it finds it in.
bill.metadata.component.name = "dnsmesh-node"

// npm's own --omit=dev leaves out what a development package asks for as well, `effect` among it.
const kept = new Set(production().map(({ name, version }) => `${name}@${version}`))
const components: ReadonlyArray<Component> = bill.components
bill.components = components.filter(({ name, version }) => kept.has(`${name}@${version}`))
const refs = new Set([
  bill.metadata.component["bom-ref"],
  ...bill.components.map((component: Component) => component["bom-ref"])
])
const dependencies: ReadonlyArray<Dependency> = bill.dependencies
bill.dependencies = dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ dependsOn, ref }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }))

process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`)
