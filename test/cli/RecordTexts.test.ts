/** Records as texts and back, whole and damaged, from this program and from others. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import { Readable } from "node:stream"
import { ImportText, type Item, type Read } from "../../src/cli/records/ImportText.ts"
import { lines } from "../../src/cli/records/Lines.ts"
import * as RecordText from "../../src/cli/records/RecordText.ts"

const read = (text: string, format?: RecordText.Format): ReadonlyArray<Read> => {
  const reader = new ImportText(Option.fromNullable(format))
  const octets = Buffer.from(text, "utf8").toString("latin1").split("\n")
  return [...octets.flatMap((line) => reader.next(line)), ...reader.end()]
}
const items = (text: string) => read(text).filter((it): it is Item => it._tag === "Item")
const problems = (text: string) =>
  read(text).flatMap((it) => (it._tag === "Unreadable" ? [`${it.line}: ${it.problem}`] : []))

const row = (value: string) => ({
  name: "n1.mesh.test",
  value,
  ttl: 600,
  createdAt: 1000,
  expiresAt: 1600,
  storedTs: 1,
  valueHash: ""
})

// A lone surrogate is no text that SQLite could have given back.
const anyText = fc.string({ unit: "binary", maxLength: 700 }).filter((text) => text.isWellFormed())

describe("a record as a text", () => {
  it("comes back from a JSON line as it was, whatever its value", () =>
    fc.assert(
      fc.property(anyText, (value) => {
        assert.deepInclude(items(RecordText.jsonLine(row(value)))[0], {
          name: "n1.mesh.test",
          value,
          ttl: 600,
          expiresAt: 1600
        })
      })
    ))

  it("comes back from a master file with its value, and what was left as its TTL", () =>
    fc.assert(
      fc.property(anyText, (value) => {
        const text = RecordText.zoneHead(1100) + RecordText.zoneLine(row(value), 1100)
        assert.match(text, /^[\x20-\x7e\n]*$/)
        assert.deepStrictEqual(items(text), [
          { _tag: "Item", line: 2, name: "n1.mesh.test", value, ttl: 500 }
        ])
      })
    ))

  it("is read from master files of other software", () => {
    const text = `; made elsewhere
$ORIGIN mesh.test.
$TTL 1h
n1      IN TXT "one" "two"
        60 IN TXT three ; a second value
@   1d  TXT ( "over"
          " lines" )
n2.mesh.test. TXT plain
`
    assert.deepStrictEqual(
      items(text).map(({ line, name, ttl, value }) => [line, name, ttl, value]),
      [
        [4, "n1.mesh.test", 3600, "onetwo"],
        [5, "n1.mesh.test", 60, "three"],
        [6, "mesh.test", 86_400, "over lines"],
        [8, "n2.mesh.test", 3600, "plain"]
      ]
    )
    assert.deepStrictEqual(problems(text), [])
  })

  it("says of each line that is none why, and reads the others", () => {
    assert.deepStrictEqual(
      problems(`a.b. TXT "x"\na.b. A 192.0.2.1\nc TXT "x"\n$INCLUDE f\nd.e. TXT "x\nf.g. TXT (\n`),
      [
        "2: A: only TXT records are imported",
        "3: there is no whole owner name; $ORIGIN is missing",
        "4: $INCLUDE is not known here",
        "5: a quote is not closed",
        "6: a ( is not closed"
      ]
    )
    const bad = "not a JSON object with name and value"
    assert.deepStrictEqual(
      problems(`{"name":"a.b","value":"x"}\n\n{"name":1}\nrubbish\n[]\n{"name":"a.b"}\n`),
      [`3: ${bad}`, `4: ${bad}`, `5: ${bad}`, `6: ${bad}`]
    )
  })
})

describe("the lines of a stream", () => {
  it("are the same however they are cut into chunks", async () => {
    const text = "one\r\ntwo\n\nlast"
    for (let size = 1; size <= text.length; size++) {
      const chunks = Buffer.from(text)
        .toString()
        .match(new RegExp(`[^]{1,${size}}`, "g"))!
      const all = await Array.fromAsync(lines(Readable.from(chunks.map((it) => Buffer.from(it)))))
      assert.deepStrictEqual(all, ["one", "two", "", "last"])
    }
  })

  it("end with an error where one of them does not end", async () => {
    const endless = Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(65_536, "x")))
    let seen = ""
    try {
      for await (const line of lines(endless)) seen += line
    } catch (error) {
      seen = String(error)
    }
    assert.include(seen, "a line is longer than")
  })
})
