// The programs the tests compare and talk with, and the Debian packages they come from.
// As root with apt the missing ones are installed; otherwise they are named, and the tests that
// need them skip themselves.
import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { say } from "./tree.mjs"

const packageOf = {
  dig: "bind9-dnsutils",
  nsupdate: "bind9-dnsutils",
  named: "bind9",
  kdig: "knot-dnsutils",
  knotd: "knot",
  nsd: "nsd",
  unbound: "unbound",
  drill: "ldnsutils",
  dnsperf: "dnsperf",
  delv: "bind9-dnsutils",
  "named-checkzone": "bind9-utils",
  "zonemaster-cli": "zonemaster-cli",
  wrk: "wrk",
  caddy: "caddy",
  promtool: "prometheus",
  prometheus: "prometheus",
  chromium: "chromium",
  strace: "strace",
  sqlite3: "sqlite3",
  curl: "curl",
  restic: "restic",
  rclone: "rclone",
  "systemd-analyze": "systemd",
  // which reads the journal by the second
  "fail2ban-regex": "fail2ban python3-systemd",
  nft: "nftables",
  "ansible-playbook": "ansible-core python3-apt",
  "ansible-lint": "ansible-lint",
  openssl: "openssl",
  ip: "iproute2"
}

const executable = (file) => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

// servers live in sbin, which an unprivileged PATH may lack
const searched = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]
const missing = () =>
  Object.keys(packageOf).filter(
    (name) => !searched.some((folder) => executable(join(folder, name)))
  )

const policy = "/usr/sbin/policy-rc.d"
const noStarts = "#!/bin/sh\n# no service starts while test tools are installed\nexit 101\n"

const apt = (...args) =>
  spawnSync("apt-get", args, {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  }).status === 0

/** Installs in one call; the package lists are fetched first, they may be absent or old. */
const install = (packages) => {
  const ownPolicy = !existsSync(policy)
  if (ownPolicy) writeFileSync(policy, noStarts, { mode: 0o755 })
  try {
    const options = ["-y", "-qq", "--no-install-recommends", "-o", "Acquire::Retries=3"]
    return apt("update", "-qq") && apt("install", ...options, ...packages)
  } finally {
    if (ownPolicy) rmSync(policy, { force: true })
  }
}

/** Makes the programs available where that is possible and says loudly which are not. */
export const ensureDebianPackages = () => {
  const absent = missing()
  if (absent.length === 0) return
  const packages = [...new Set(absent.flatMap((name) => packageOf[name].split(" ")))]
  const root = process.getuid?.() === 0
  if (root && executable("/usr/bin/apt-get")) {
    say(`installing Debian packages: ${packages.join(" ")}`)
    if (!install(packages)) say("apt-get failed")
  }
  const still = missing()
  if (still.length === 0) return
  say(`MISSING programs: ${still.join(", ")}`)
  say(
    `  the tests that need them are SKIPPED; Debian packages: ${[...new Set(still.map((name) => packageOf[name]))].join(" ")}`
  )
}
