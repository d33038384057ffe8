/**
 * What resolvers expect of a server beside answers: the checks of ISC's EDNS compliance list
 * and of RFC 8906, asked with BIND's own client.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { installed, run } from "../fixtures/Tools.ts"
import * as WholeNode from "../fixtures/WholeNode.ts"

const zone = "mesh.test"

interface Reply {
  readonly text: string
  readonly status: string
  readonly opcode: string
  readonly flags: ReadonlyArray<string>
  readonly ednsVersion: string | undefined
  readonly ednsFlags: string
  readonly udp: string | undefined
  /** By section, in lower case. */
  readonly answers: number
}

const parse = (text: string): Reply => {
  const [, opcode = "", status = ""] = /opcode: (\w+), status: (\w+)/.exec(text) ?? []
  const [, flags = ""] = /;; flags: ([a-z ]*);/.exec(text) ?? []
  const edns = /EDNS: version: (\d+), flags:([^;]*); (?:MBZ: 0x[0-9a-f]+, )?udp: (\d+)/.exec(text)
  return {
    text,
    status,
    opcode,
    flags: flags.split(" ").filter((it) => it !== ""),
    ednsVersion: edns?.[1],
    ednsFlags: (edns?.[2] ?? "").trim(),
    udp: edns?.[3],
    answers: Number(/ANSWER: (\d+)/.exec(text)?.[1] ?? -1)
  }
}

interface Check {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly expect: (reply: Reply) => void
}
const noError = (reply: Reply) => {
  assert.strictEqual(reply.status, "NOERROR")
  assert.include(reply.flags, "aa")
  assert.notInclude(reply.flags, "ra")
  assert.notInclude(reply.flags, "ad")
}
const withSoa = (reply: Reply) => {
  noError(reply)
  assert.strictEqual(reply.answers, 1)
}
const edns0 = (reply: Reply) => {
  withSoa(reply)
  assert.strictEqual(reply.ednsVersion, "0")
  assert.strictEqual(reply.udp, "1232")
}
const badVersion = (reply: Reply) => {
  assert.strictEqual(reply.status, "BADVERS")
  assert.strictEqual(reply.ednsVersion, "0")
  assert.strictEqual(reply.answers, 0)
  assert.notInclude(reply.text, "OPT=100")
}
const plain = ["+noedns", "+noad", "+norec"]
const edns = ["+edns=0", "+nocookie", "+noad", "+norec"]
const edns1 = ["+edns=1", "+noednsneg", "+nocookie", "+noad", "+norec"]

/** By the names of ISC's list. */
const checks: ReadonlyArray<Check> = [
  {
    name: "dns: plain DNS",
    args: plain,
    expect: (reply) => {
      withSoa(reply)
      assert.isUndefined(reply.ednsVersion)
    }
  },
  { name: "aa: over TCP", args: [...plain, "+tcp"], expect: withSoa },
  { name: "ad: the AD bit is not sent back", args: ["+noedns", "+ad", "+norec"], expect: withSoa },
  { name: "cd: the CD bit is taken", args: ["+noedns", "+noad", "+cd", "+norec"], expect: withSoa },
  {
    name: "rd: the RD bit comes back",
    args: ["+noedns", "+noad", "+rec"],
    expect: (reply) => {
      withSoa(reply)
      assert.include(reply.flags, "rd")
    }
  },
  {
    name: "zflag: the last reserved bit is ignored and not sent back",
    args: [...plain, "+zflag"],
    expect: (reply) => {
      withSoa(reply)
      assert.notInclude(reply.text, "MBZ")
    }
  },
  { name: "tc: the TC bit of a query is ignored", args: [...plain, "+tcflag"], expect: withSoa },
  { name: "aa: the AA bit of a query is ignored", args: [...plain, "+aaflag"], expect: withSoa },
  {
    name: "opcode: an unknown one is not implemented",
    args: [...plain, "+opcode=15", "+header-only"],
    expect: (reply) => {
      assert.strictEqual(reply.status, "NOTIMP")
      assert.strictEqual(reply.opcode, "RESERVED15")
      assert.notInclude(reply.flags, "aa")
    }
  },
  {
    name: "opcodeflg: an unknown one with flags set",
    args: ["+noedns", "+opcode=15", "+rec", "+cd", "+ad", "+aaflag", "+zflag", "+header-only"],
    expect: (reply) => {
      assert.strictEqual(reply.status, "NOTIMP")
      assert.notInclude(reply.flags, "aa")
      assert.notInclude(reply.flags, "ad")
      assert.notInclude(reply.flags, "ra")
    }
  },
  {
    name: "type666: an unknown type",
    args: [...plain, "-t", "TYPE666"],
    expect: (reply) => {
      noError(reply)
      assert.strictEqual(reply.answers, 0)
      assert.include(reply.text, "SOA")
    }
  },
  { name: "tcp", args: [...plain, "+tcp"], expect: withSoa },
  { name: "edns", args: edns, expect: edns0 },
  { name: "edns over TCP", args: [...edns, "+tcp"], expect: edns0 },
  {
    name: "edns@512: a long answer is cut, and says so",
    args: [...edns, "+bufsize=512", "+ignore", `many.${zone}`, "TXT"],
    expect: (reply) => {
      noError(reply)
      assert.include(reply.flags, "tc")
      assert.strictEqual(reply.ednsVersion, "0")
    }
  },
  {
    name: "ednstcp: and comes over TCP whole",
    args: [...edns, "+bufsize=512", `many.${zone}`, "TXT"],
    expect: (reply) => {
      noError(reply)
      assert.strictEqual(reply.answers, 20)
      assert.include(reply.text, "(TCP)")
    }
  },
  {
    name: "ednsopt: an unknown option is ignored",
    args: [...edns, "+ednsopt=100:0102"],
    expect: (reply) => {
      edns0(reply)
      assert.notInclude(reply.text, "OPT=100")
    }
  },
  {
    name: "ednsflags: unknown flags are ignored and not sent back",
    args: [...edns, "+ednsflags=0x40"],
    expect: (reply) => {
      edns0(reply)
      assert.notInclude(reply.text, "MBZ")
    }
  },
  {
    name: "do: the DO bit comes back",
    args: [...edns, "+dnssec"],
    expect: (reply) => {
      edns0(reply)
      assert.strictEqual(reply.ednsFlags, "do")
    }
  },
  { name: "edns1: a later version", args: edns1, expect: badVersion },
  { name: "edns1opt: with an option", args: [...edns1, "+ednsopt=100"], expect: badVersion },
  {
    name: "edns1flg: with flags",
    args: [...edns1, "+ednsflags=0x40"],
    expect: (reply) => {
      badVersion(reply)
      assert.notInclude(reply.text, "MBZ")
    }
  },
  { name: "edns1do: with DO", args: [...edns1, "+dnssec"], expect: badVersion },
  {
    name: "docookie: a cookie is answered with one",
    args: ["+edns=0", "+cookie=0102030405060708", "+dnssec", "+noad", "+norec"],
    expect: (reply) => {
      edns0(reply)
      assert.match(reply.text, /COOKIE: 010203040506070801000000[0-9a-f]{24} \(good\)/)
    }
  },
  {
    name: "nsid",
    args: [...edns, "+nsid"],
    expect: (reply) => {
      edns0(reply)
      assert.match(reply.text, /NSID: .*\("ns-a\.example"\)/)
    }
  },
  { name: "subnet: ignored", args: [...edns, "+subnet=192.0.2.0/24"], expect: edns0 },
  { name: "expire: ignored", args: [...edns, "+expire"], expect: edns0 },
  {
    name: "keepalive: over TCP in tenths of a second",
    args: [...edns, "+keepalive", "+tcp"],
    expect: (reply) => {
      edns0(reply)
      assert.match(reply.text, /TCP.KEEPALIVE: 10\.0/i)
    }
  },
  {
    name: "keepalive: not over UDP",
    args: [...edns, "+keepalive"],
    expect: (reply) => {
      edns0(reply)
      assert.notMatch(reply.text, /TCP.KEEPALIVE/i)
    }
  },
  {
    name: "padding: not in the clear",
    args: [...edns, "+padding=128"],
    expect: (reply) => {
      edns0(reply)
      assert.notMatch(reply.text, /; PAD/)
    }
  },
  {
    name: "several options at once",
    args: [
      "+edns=0",
      "+nsid",
      "+cookie=0102030405060708",
      "+subnet=0.0.0.0/0",
      "+expire",
      "+norec"
    ],
    expect: edns0
  },
  {
    name: "ede: REFUSED says why",
    args: [...edns, "example.org", "SOA"],
    expect: (reply) => {
      assert.strictEqual(reply.status, "REFUSED")
      assert.match(reply.text, /EDE: 20 \(Not Authoritative\)/)
    }
  },
  {
    name: "chaos: id.server",
    args: [...plain, "id.server", "TXT", "CH"],
    expect: (reply) => {
      assert.strictEqual(reply.status, "NOERROR")
      assert.match(reply.text, /^id\.server\.\s+0\s+CH\s+TXT\s+"ns-a\.example"/m)
    }
  },
  {
    name: "chaos: the version is not told",
    args: [...plain, "version.bind", "TXT", "CH"],
    expect: (reply) => assert.strictEqual(reply.status, "REFUSED")
  }
]

// RFC 8906 §8.1.2 and the list's -t: every type is answered, none is ignored or refused.
const types =
  "A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS AAAA LOC NXT SRV NAPTR KX CERT A6 DNAME APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA HIP CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS SPF NID L32 L64 LP EUI48 EUI64 URI CAA AVC DLV TYPE1000".split(
    " "
  )

describe.skipIf(!installed("dig"))("compliance", () => {
  it.scopedLive("passes ISC's EDNS checks and those of RFC 8906", () =>
    Effect.gen(function* () {
      const node = yield* WholeNode.start({ DMP_DNS_NSID: "ns-a.example" })
      yield* node.hold(
        Array.from({ length: 20 }, (_, i) => ({
          owner: `many.${zone}`,
          value: `${i}`.padEnd(240, "m")
        }))
      )
      const dig = (args: ReadonlyArray<string>) =>
        Effect.map(
          run("dig", ["@127.0.0.1", "-p", String(node.dns), "+tries=1", "+time=2", ...args]),
          ({ stdout }) => parse(stdout)
        )
      const failures: Array<string> = []
      for (const { args, expect, name } of checks) {
        const named = args.some((arg) => arg.includes(".") && !arg.startsWith("+"))
        const typed = args.includes("-t") || args.includes("+header-only")
        const reply = yield* dig([...args, ...(named ? [] : typed ? [zone] : [zone, "SOA"])])
        const failed = yield* Effect.either(Effect.try(() => expect(reply)))
        if (failed._tag === "Left")
          failures.push(`${name}: ${String(failed.left.error)}\n${reply.text}`)
      }
      assert.deepStrictEqual(failures, [])
      const bad = yield* Effect.forEach(
        types,
        (type) =>
          Effect.map(dig([...plain, "-t", type, `x.${zone}`]), ({ flags, status }) =>
            status === (type === "TXT" ? "NXDOMAIN" : "NOERROR") && flags.includes("aa")
              ? []
              : [`${type}: ${status}`]
          ),
        { concurrency: 4 }
      )
      assert.deepStrictEqual(bad.flat(), [])
    })
  )
})
