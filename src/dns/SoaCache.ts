/** The SOA rdata of each zone, encoded once for each serial. */
import { type ServedZone, soaRdata } from "../zone/ServedZones.ts"

export class SoaCache {
  readonly #known = new Map<ServedZone, { readonly serial: number; readonly rdata: Buffer }>()
  readonly #serial: () => number

  constructor(serial: () => number) {
    this.#serial = serial
  }

  rdata(zone: ServedZone): Buffer {
    const serial = this.#serial()
    const known = this.#known.get(zone)
    if (known?.serial === serial) return known.rdata
    const rdata = soaRdata(zone, serial)
    this.#known.set(zone, { serial, rdata })
    return rdata
  }
}
