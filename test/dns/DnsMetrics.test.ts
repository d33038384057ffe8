/** What is counted of DNS messages, on one thread and told by one to another. */
import { assert, describe, it } from "@effect/vitest"
import * as DnsMetrics from "../../src/dns/DnsMetrics.ts"
import * as DnsTally from "../../src/dns/DnsTally.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import { format } from "../../src/runtime/Prometheus.ts"

const page = () => format(Metrics.snapshot(), ["dmp_dns_"])
const sample = (series: string) =>
  Number(new RegExp(`^${series.replace(/[{}]/g, "\\$&")} (.+)$`, "m").exec(page())?.[1])

const series = (proto: string, family: string, type: string) =>
  `dmp_dns_requests_total{family="${family}",proto="${proto}",type="${type}"}`

describe("requests", () => {
  it("are told apart by transport, family and type, all of them from closed sets", () => {
    const cases = [
      ["udp", "192.0.2.1", 16, series("udp", "1", "TXT")],
      ["udp", "2001:db8::1", 16, series("udp", "2", "TXT")],
      ["tcp", "192.0.2.1", 28, series("tcp", "1", "AAAA")],
      ["tls", "192.0.2.1", 6, series("tls", "1", "SOA")],
      ["https", "2001:db8::1", 255, series("https", "2", "ANY")],
      ["udp", "192.0.2.1", "update", series("udp", "1", "UPDATE")],
      ["udp", "192.0.2.1", 65_280, series("udp", "1", "other")],
      ["udp", "192.0.2.1", undefined, series("udp", "1", "other")]
    ] as const
    for (const [transport, address, type, wanted] of cases) {
      const before = sample(wanted)
      DnsMetrics.countRequest(transport, address, type)
      assert.strictEqual(sample(wanted) - before, 1, wanted)
    }
    const before = page().match(/^dmp_dns_requests_total/gm)!.length
    for (let type = 0; type < 65_536; type += 7) DnsMetrics.countRequest("udp", "unknown", type)
    assert.strictEqual(page().match(/^dmp_dns_requests_total/gm)!.length, before)
  })
})

describe("a tally", () => {
  it("carries counts with several labels and every histogram to another thread", () => {
    const clients = new DnsTally.Clients()
    const take = DnsTally.taker(clients)
    take()
    DnsMetrics.countRequest("tcp", "192.0.2.1", 16)
    DnsMetrics.countOutcome("noerror")
    DnsMetrics.observeResponseSize("tcp", 300)
    DnsMetrics.observeLatency(0.001)
    clients.talkers.asked("192.0.2.1", 16)
    clients.talkers.refused("dns", "192.0.2.9")
    const tally = take()
    assert.deepStrictEqual(tally.asked, [["192.0.2.1", 16]])
    assert.deepStrictEqual(tally.refused, [["192.0.2.9", 1]])
    assert.deepStrictEqual([...tally.counts].sort(), [
      ["dmp_dns_queries_total", "noerror", 1],
      ["dmp_dns_requests_total", "tcp 1 TXT", 1]
    ])
    assert.deepStrictEqual(tally.distributions.map(([name]) => name).sort(), [
      "dmp_dns_answer_seconds",
      "dmp_dns_response_size_bytes tcp"
    ])
    const wanted = series("tcp", "1", "TXT")
    const count = 'dmp_dns_response_size_bytes_count{proto="tcp"}'
    const before = [sample(wanted), sample(count)] as const
    const asked: Array<string> = []
    DnsTally.add(tally, { ...clients.talkers, asked: (address) => void asked.push(address) })
    assert.deepStrictEqual([sample(wanted), sample(count)], [before[0] + 1, before[1] + 1])
    assert.deepStrictEqual(asked, ["192.0.2.1"])
  })
})
