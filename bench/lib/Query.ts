/** One plain question as octets. */
import { Either } from "effect"
import { rrClass, type } from "../../src/wire/Codes.ts"
import { nameOctets } from "../../src/wire/WireName.ts"

export const query = (owner: string, of: number = type.TXT): Buffer => {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(1, 4)
  const question = Buffer.from([0, of, 0, rrClass.IN])
  return Buffer.concat([header, Either.getOrThrow(nameOctets(owner)), question])
}
