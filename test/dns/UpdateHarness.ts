/** An UPDATE handler over memory, with two keys, for tests of every way it can answer. */
import { ConfigProvider, Effect, Either, Layer, Option, TestClock } from "effect"
import { ClaimAuth } from "../../src/auth/ClaimAuth.ts"
import * as NameScope from "../../src/auth/NameScope.ts"
import type { TsigKey } from "../../src/auth/TsigKey.ts"
import { TsigKeys } from "../../src/auth/TsigKeys.ts"
import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { UpdateConfig } from "../../src/auth/UpdateConfig.ts"
import * as Subject from "../../src/auth/Subject.ts"
import * as Claim from "../../src/dmp/Claim.ts"
import { DnsConfig } from "../../src/dns/DnsConfig.ts"
import { SignedExchange } from "../../src/dns/SignedExchange.ts"
import type { Source } from "../../src/dns/UpdateAuthority.ts"
import { UpdateHandler, type UpdateReply } from "../../src/dns/UpdateHandler.ts"
import { rcodeNames } from "../../src/wire/Codes.ts"
import { parse } from "../../src/wire/Message.ts"
import { unsafeMake } from "../../src/wire/Name.ts"
import { find, type Key, makeKey } from "../../src/wire/Tsig.ts"
import { sign } from "../../src/wire/TsigSign.ts"
import { verify } from "../../src/wire/TsigVerify.ts"
import { AnswerIndex } from "../../src/zone/AnswerIndex.ts"
import { ChangeFeed } from "../../src/zone/ChangeFeed.ts"
import { ContentPolicy } from "../../src/zone/ContentPolicy.ts"
import { Limits } from "../../src/zone/Limits.ts"
import { Publisher } from "../../src/zone/Publisher.ts"
import { RecordStore, StoreError } from "../../src/zone/RecordStore.ts"
import { ServedZones } from "../../src/zone/ServedZones.ts"
import { ZoneConfig } from "../../src/zone/ZoneConfig.ts"
import * as Samples from "../dmp/samples.ts"

/** Seconds; the clock of `samples`. */
export const now = Samples.now
export const zone = unsafeMake("mesh.test")
export const x25519Pub = "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59"
export const mailbox = NameScope.mailboxOf(x25519Pub)

const subject = Subject.unsafeMake("alice@mesh.test")
export const identity = `id-${Subject.hash16(subject)}.${zone}`

const row = (name: string, fill: number, over: Partial<TsigKey> = {}): TsigKey => ({
  name: `${name}.${zone}`,
  algorithm: "hmac-sha256",
  secret: new Uint8Array(32).fill(fill),
  allowedSuffixes: [zone],
  createdAt: now,
  expiresAt: 0,
  revoked: false,
  subject: "",
  registeredSpk: "",
  registeredX25519Pub: "",
  ...over
})

/** May write the whole zone. */
export const loose = row("loose", 1)
/** What registration gives by default. */
export const alice = row("alice", 2, {
  subject,
  registeredX25519Pub: x25519Pub,
  allowedSuffixes: NameScope.minted({
    subject,
    zone,
    spk: "ab".repeat(32),
    x25519Pub: undefined,
    width: "default"
  })
})
/** Its holder's own names only. */
export const tight = row("tight", 3, {
  allowedSuffixes: NameScope.minted({
    subject,
    zone,
    spk: "ab".repeat(32),
    x25519Pub,
    width: "tight"
  })
})

export const wireKey = (key: TsigKey): Key =>
  Either.getOrThrow(makeKey(key.name, key.algorithm, key.secret))

/** A claim that lasts `lasts` seconds, for slot 3. */
export const claim = (lasts = 300, slot = 3, msgId = 9): string =>
  Samples.accepted(
    Claim.sign(
      {
        msgId: new Uint8Array(16).fill(msgId),
        senderSpk: Samples.spk,
        senderDomain: "sender.test",
        slot,
        ts: now,
        exp: now + lasts
      },
      Samples.seed
    )
  )
/** Well formed, but the signature's last octet is another. */
export const forgedClaim = (): string => {
  const [prefix = "", body = ""] = claim().split(/(?<=claim;)/)
  const octets = Buffer.from(body, "base64")
  octets[octets.length - 1] = (octets.at(-1) ?? 0) ^ 1
  return prefix + octets.toString("base64")
}
export const claimName = (slot: number | string = 3, hash = mailbox): string =>
  `claim-${slot}.mb-${hash}.${zone}`

export interface HarnessOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly keys?: ReadonlyArray<TsigKey>
  readonly limits?: Parameters<typeof Limits.layer>[0]
  /** Fails every commit. */
  readonly broken?: boolean
  /** Instead of one that takes everything. */
  readonly policy?: ContentPolicy["Type"]
  /** Each key is gone when it is asked for the second time, and back at the third. */
  readonly revokedMidway?: boolean
}

const midway = Layer.effect(
  TsigKeys,
  Effect.map(TsigKeys, (keys) => {
    let asked = 0
    return { ...keys, find: (name, at) => (asked++ % 2 === 0 ? keys.find(name, at) : undefined) }
  })
).pipe(Layer.provide(TsigKeys.layer))

const brokenStore = Layer.map(RecordStore.layerMemory, (context) => {
  const store = Option.getOrThrow(
    Option.fromNullable(context.unsafeMap.get(RecordStore.key))
  ) as RecordStore["Type"]
  context.unsafeMap.set(RecordStore.key, {
    ...store,
    commit: () => Effect.fail(new StoreError({ reason: "disk-full", message: "disk is full" }))
  })
  return context
})

export const layer = (options: HarnessOptions = {}) => {
  const env = new Map(
    Object.entries({
      DMP_SERVED_ZONE: zone,
      DMP_EXTRA_ZONES: "second.test",
      DMP_DNS_UPDATE_ENABLED: "1",
      DMP_DNS_APEX_NS: `ns1.${zone}`,
      DMP_DNS_APEX_A: "192.0.2.1",
      ...options.env
    })
  )
  const configs = Layer.mergeAll(UpdateConfig.layer, DnsConfig.layer, ZoneConfig.layer).pipe(
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(env)))
  )
  const keyStore = Layer.effectDiscard(
    Effect.gen(function* () {
      const store = yield* TsigKeyStore
      for (const key of options.keys ?? [loose, alice, tight]) yield* store.put(key)
    })
  ).pipe(Layer.provideMerge(TsigKeyStore.layerMemory))
  return UpdateHandler.layer.pipe(
    Layer.provideMerge(SignedExchange.layer),
    Layer.provideMerge(ClaimAuth.layer),
    Layer.provideMerge(options.revokedMidway === true ? midway : TsigKeys.layer),
    Layer.provideMerge(keyStore),
    Layer.provideMerge(ServedZones.layer),
    Layer.provideMerge(configs),
    Layer.provideMerge(Publisher.layer),
    Layer.provideMerge(AnswerIndex.layer),
    Layer.provideMerge(ChangeFeed.layer),
    Layer.provideMerge(Limits.layer(options.limits)),
    Layer.provideMerge(
      options.policy === undefined
        ? ContentPolicy.layerAcceptAll
        : Layer.succeed(ContentPolicy, options.policy)
    ),
    Layer.provideMerge(options.broken === true ? brokenStore : RecordStore.layerMemory)
  )
}

/** The clock a test wants before its layer is built. */
export const atNow = TestClock.setTime(now * 1000)

export const tcp: Source = { address: "192.0.2.7", transport: "tcp" }
export const udp: Source = { address: "192.0.2.7", transport: "udp" }

export interface Answer {
  readonly rcode: string
  readonly outcome: string
  readonly flags: number
  readonly zoneEchoed: boolean
  readonly edns: boolean
  /** `none`, or what our own check of the reply's TSIG record says. */
  readonly signature: string
  readonly tsigError: number
  readonly octets: Buffer
}

/** Has the handler answer `message`. */
export const handle = (message: Buffer, from: Source) =>
  Effect.flatMap(UpdateHandler, (handler) =>
    Effect.async<UpdateReply>((resume) =>
      handler.handle(message, from, (done) => resume(Effect.succeed(done)))
    )
  )

/** Sends `message`, signed when `key` is given, and reads the reply. */
export const send = (
  message: Buffer,
  options: { readonly key?: TsigKey; readonly from?: Source; readonly at?: number } = {}
) =>
  Effect.gen(function* () {
    const { key } = options
    const signed =
      key === undefined ? undefined : sign(message, wireKey(key), { timeSigned: options.at ?? now })
    const { outcome, reply } = yield* handle(signed?.bytes ?? message, options.from ?? tcp)
    if (reply === undefined) return { rcode: "silence", outcome } as Answer
    const read = Either.getOrThrow(parse(reply))
    const tsig = Either.getOrThrow(find(read))
    const at = Math.floor((yield* Effect.clock).unsafeCurrentTimeMillis() / 1000)
    const answer: Answer = {
      rcode: rcodeNames[read.rcode] ?? String(read.rcode),
      outcome,
      flags: read.flags,
      zoneEchoed: read.questions.length === 1,
      edns: read.additionals.some((record) => record.type === 41),
      signature:
        tsig === undefined
          ? "none"
          : verify(read, tsig, key && wireKey(key), { now: at, priorMac: signed?.mac })._tag,
      tsigError: tsig?.error ?? 0,
      octets: reply
    }
    return answer
  })

/** Live values at `owner`, with the seconds each has left. */
export const held = (owner: string) =>
  Effect.map(Effect.all([AnswerIndex, Effect.clock]), ([index, clock]) => {
    const at = Math.floor(clock.unsafeCurrentTimeMillis() / 1000)
    return Object.fromEntries(
      index.live(unsafeMake(owner), at).map((txt) => [txt.value, txt.expiresAt - at])
    )
  })
