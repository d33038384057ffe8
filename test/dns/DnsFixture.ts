/** The DNS door over a zone in memory, on ports of its own. */
import { Effect, Layer, Option } from "effect"
import * as DnsServer from "../../src/dns/DnsServer.ts"
import { DnsConfig, type DnsConfigShape } from "../../src/dns/DnsConfig.ts"
import { Pipeline } from "../../src/dns/Pipeline.ts"
import { Responder } from "../../src/dns/Responder.ts"
import type { SlowPath } from "../../src/dns/SlowPath.ts"
import { parse, unsafeMake } from "../../src/wire/Name.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import type { LiveZone } from "../../src/zone/LiveZone.ts"
import { RecordStore } from "../../src/zone/RecordStore.ts"
import { ServedZones } from "../../src/zone/ServedZones.ts"
import { ZoneConfig, type ZoneConfigShape } from "../../src/zone/ZoneConfig.ts"
import { ZoneVersions } from "../../src/zone/ZoneVersions.ts"
import { noZone } from "../fixtures/Zones.ts"

export const dnsDefaults: DnsConfigShape = {
  hosts: ["127.0.0.1", "::1"],
  port: 0,
  rate: 0,
  burst: 0,
  rateExempt: [],
  cookieSecrets: [],
  nsid: Option.none(),
  version: Option.none(),
  workers: 1,
  maxConcurrency: 2,
  udpPayload: 1232,
  maxTcpConnections: 20,
  maxTcpPerSource: 10,
  tcpIdleTimeout: 10,
  tcpMessageTimeout: 10
}

export const zoneDefaults: ZoneConfigShape = {
  ...noZone,
  servedZone: parse("mesh.test"),
  zones: [unsafeMake("mesh.test")]
}

/** What a DNS server needs besides its slow path, and the listeners. */
export const zoneLayer = (live: LiveZone, dns: Partial<DnsConfigShape> = {}) =>
  Layer.mergeAll(ServedZones.layer, ZoneVersions.layer).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        ChangeFeed.layer,
        RecordStore.layerMemory,
        Layer.succeed(AnswerIndex, live),
        Layer.succeed(DnsConfig, { ...dnsDefaults, ...dns }),
        Layer.succeed(ZoneConfig, zoneDefaults)
      )
    )
  )

export const serverLayer = <E, R>(slow: Layer.Layer<SlowPath, E, R>) =>
  DnsServer.layer.pipe(
    Layer.provideMerge(DnsServer.DnsListeners.layer),
    Layer.provide(Pipeline.layer),
    Layer.provide(slow),
    Layer.provide(Responder.layer)
  )

/** The port all listeners share. */
export const port = Effect.map(DnsServer.DnsListeners, ({ bound }) => bound[0]?.port ?? 0)
