/** dnsperf on the generator's processor, and the figures it prints. */
import { spawn } from "node:child_process"
import { type Percentiles, percentiles } from "./Percentiles.ts"

export interface Asking {
  readonly port: number
  readonly seconds: number
  readonly queryFile: string
  readonly mode?: "udp" | "tcp"
  readonly connections?: number
  readonly outstanding?: number
  /** Processors of the generator, as taskset names them; 1 unless told. */
  readonly cpus?: string
  /** Queries per second; without it as fast as the server answers. */
  readonly rate?: number
}

export interface Answered {
  readonly qps: number
  readonly completed: number
  readonly lost: number
  /** Microseconds; counted with a rate only. */
  readonly latency: Percentiles
}

const figure = (out: string, label: RegExp): number => Number(label.exec(out)?.[1] ?? NaN)

const output = (cpus: string, args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    // Before any other generator: it measures, and must not wait for a processor to see an answer.
    const child = spawn("nice", ["-n", "-10", "taskset", "-c", cpus, "dnsperf", ...args], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    const chunks: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk))
    child.once("error", reject)
    child.once("close", () => resolve(Buffer.concat(chunks).toString("latin1")))
  })

/** Asks for `seconds`. With a rate, a server that stalls is not spared: up to 10,000 wait for it. */
export const dnsperf = async (asking: Asking): Promise<Answered> => {
  const { connections = 8, cpus = "1", mode = "udp", port, queryFile, rate, seconds } = asking
  const out = await output(cpus, [
    ...["-s", "127.0.0.1", "-p", String(port), "-m", mode, "-d", queryFile, "-e"],
    ...["-c", String(connections), "-l", String(seconds)],
    ...["-q", String(asking.outstanding ?? (rate === undefined ? 100 : 10_000))],
    ...(rate === undefined ? [] : ["-Q", String(rate), "-v"])
  ])
  const codes = /Response codes:\s+(.*)/.exec(out)?.[1] ?? ""
  if (/SERVFAIL|REFUSED|FORMERR|NOTIMP/.test(codes)) console.error(`port ${port}: ${codes}`)
  const times = [...out.matchAll(/^> (?:NOERROR|NXDOMAIN) .* ([\d.]+)$/gm)].map(
    ([, seconds]) => Number(seconds) * 1e6
  )
  return {
    qps: figure(out, /Queries per second:\s+([\d.]+)/),
    completed: figure(out, /Queries completed:\s+(\d+)/),
    lost: figure(out, /Queries lost:\s+(\d+)/),
    latency: percentiles(times)
  }
}
