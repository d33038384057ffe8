// Waits until the node of `npm start` is ready, then says where it listens and how to try it.
// It ends by itself when the node does (argument: the node's process id).
import { get } from "node:http"

const pid = Number(process.argv[2])
const setting = (name, fallback) => process.env[name]?.trim() || fallback

/** An address a client on this machine can use for a listener bound to `host`. */
const reachable = (host) => {
  const first = host
    .split(",")[0]
    .trim()
    .replace(/^\[|\]$/g, "")
  if (first === "0.0.0.0" || first === "") return "127.0.0.1"
  return first === "::" ? "::1" : first
}
const inUrl = (host) => (host.includes(":") ? `[${host}]` : host)

/** Where a listener is bound; `hosts` is a list, and unset means every address. */
const bound = (hosts, port) =>
  hosts === ""
    ? `every address, port ${port}`
    : hosts
        .split(",")
        .map((host) => `${inUrl(host.trim().replace(/^\[|\]$/g, ""))}:${port}`)
        .join(" and ")

const httpHost = setting("DMP_HTTP_HOST", "")
const httpPort = setting("DMP_HTTP_PORT", "8053")
const dnsHost = setting("DMP_DNS_HOST", "")
const dnsPort = setting("DMP_DNS_PORT", "5353")
const base = `http://${inUrl(reachable(httpHost))}:${httpPort}`

const alive = () => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const healthy = () =>
  new Promise((resolve) => {
    const request = get(`${base}/health`, { timeout: 1000, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on("timeout", () => request.destroy())
    request.on("error", () => resolve(false))
  })

/** What a shell puts after `Bearer `; undefined on an open node. The token itself is not shown. */
const bearer = () => {
  for (const name of ["DMP_OPERATOR_TOKEN", "DMP_HTTP_TOKEN"]) {
    if (setting(name, "") !== "") return `$${name}`
    const file = setting(`${name}_FILE`, "")
    if (file !== "") return `$(cat '${file}')`
  }
}
const zone = setting("DMP_SERVED_ZONE", setting("DMP_DOMAIN", "example.com"))
const announcement = () => {
  const name = `hello.${zone}`
  const token = bearer()
  const header = token === undefined ? "" : ` -H "Authorization: Bearer ${token}"`
  return [
    "",
    `dnsmesh-node is ready: HTTP on ${bound(httpHost, httpPort)}`,
    `                       DNS on ${bound(dnsHost, dnsPort)} (UDP and TCP)`,
    "Try it:",
    `  curl -X POST ${base}/v1/records/${name} -H "Content-Type: application/json"${header} -d '{"value":"v=dmp1;t=hello","ttl":300}'`,
    `  dig @${reachable(dnsHost)} -p ${dnsPort} ${name} TXT +short`,
    ""
  ].join("\n")
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// with an ephemeral port only the node's own log knows the address
if (httpPort !== "0" && dnsPort !== "0")
  for (let attempt = 0; attempt < 600 && alive(); attempt++) {
    if (await healthy()) {
      process.stdout.write(`${announcement()}\n`)
      break
    }
    await wait(100)
  }
