/**
 * `cluster …`: the operator's key and the manifests signed with it. Works offline: the key
 * belongs on a machine that runs no node.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Console, Effect, Either, Option } from "effect"
import { readFile, writeFile } from "node:fs/promises"
import * as ClusterManifest from "../dmp/ClusterManifest.ts"
import * as Ed25519 from "../dmp/Ed25519.ts"
import * as NodeCertificate from "../dmp/NodeCertificate.ts"
import * as ClusterFile from "../peers/ClusterFile.ts"
import * as NodeIdentity from "../peers/NodeIdentity.ts"
import * as OperatorKey from "../peers/OperatorKey.ts"
import * as PeerUrl from "../peers/PeerUrl.ts"
import { unsafeOctets } from "../runtime/SecureRandom.ts"
import * as UnixTime from "../runtime/UnixTime.ts"
import { type AdminFailure, failed, usage } from "./AdminFailure.ts"
import * as Text from "./AdminText.ts"

const file = Args.text({ name: "file" })
const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const out = Options.text("out").pipe(
  Options.optional,
  Options.withDescription("File to write; it must not exist")
)

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex")
const day = 86_400

/** Never overwrites: the old file may be the only copy of a key. */
const writeNew = (path: string, text: string, mode: number) =>
  Effect.tryPromise({
    try: () => writeFile(path, text, { flag: "wx", mode }),
    catch: (error) => failed(`error: ${error instanceof Error ? error.message : String(error)}`)
  })

const keygen = Command.make("keygen", { out }, (given) =>
  Effect.gen(function* () {
    if (Option.isNone(given.out))
      return yield* usage("error: --out is needed: the key is never printed")
    const seed = unsafeOctets(32)
    yield* writeNew(given.out.value, `${hex(seed)}\n`, 0o600)
    yield* Console.log(`DMP_SYNC_OPERATOR_SPK=${hex(Ed25519.publicKey(seed))}`)
  })
).pipe(Command.withDescription("Make an operator key; print the public key that nodes pin"))

const key = Options.text("key").pipe(Options.withDescription("File with the operator key"))
const name = Options.text("name").pipe(Options.withDescription("Base domain of the cluster"))
const nodes = Options.text("node").pipe(
  Options.repeated,
  Options.withDescription("id=url or id=url=dns, once for each node")
)
const seq = Options.text("seq").pipe(
  Options.optional,
  Options.withDescription("Sequence number; the Unix time when absent")
)
const days = Options.integer("days").pipe(
  Options.withDefault(365),
  Options.withDescription("Days for which the manifest is valid")
)

const parseNode = (text: string): Either.Either<ClusterManifest.ClusterNode, AdminFailure> => {
  const [nodeId = "", httpEndpoint = "", dnsEndpoint = "", ...rest] = text.split("=")
  if (!/^[\x21-\x7e]{1,16}$/.test(nodeId) || rest.length > 0)
    return Either.left(usage(`error: '${text}' is not id=url or id=url=dns`))
  return Option.isSome(PeerUrl.parse(httpEndpoint))
    ? Either.right({ nodeId, httpEndpoint, dnsEndpoint })
    : Either.left(usage(`error: '${httpEndpoint}' is no http or https URL`))
}

const sign = Command.make("sign", { key, name, nodes, seq, days, out }, (given) =>
  Effect.gen(function* () {
    const seed = yield* Effect.mapError(OperatorKey.read(given.key), ({ message }) =>
      failed(`error: ${message}`)
    )
    const list = yield* Effect.forEach(given.nodes, parseNode)
    const now = yield* UnixTime.now
    const number = Option.getOrElse(given.seq, () => String(now))
    if (!/^[0-9]{1,20}$/.test(number)) return yield* usage("error: --seq is no whole number")
    if (given.days < 1 || given.days > 5 * 365)
      return yield* usage("error: --days goes from 1 to 1825")
    const operatorSpk = Ed25519.publicKey(seed)
    const signed = ClusterManifest.sign(
      {
        clusterName: given.name,
        operatorSpk,
        nodes: list,
        seq: BigInt(number),
        exp: now + given.days * day
      },
      seed
    )
    if (Either.isLeft(signed))
      return yield* failed(
        signed.left.reason === "too-long"
          ? "error: the manifest has more than 1200 characters; shorten URLs or ids"
          : "error: needs a base domain and 1 to 32 nodes with different ids"
      )
    yield* Option.match(given.out, {
      onNone: () => Console.log(signed.right),
      onSome: (path) => writeNew(path, `${JSON.stringify({ wire: signed.right })}\n`, 0o644)
    })
  })
).pipe(
  Command.withDescription("Sign a cluster manifest; print the record, or write a cluster file")
)

const certified = Options.text("node").pipe(
  Options.withDescription("Id of the node, as the manifest has it")
)
const nodeKey = Options.text("public-key").pipe(
  Options.optional,
  Options.withDescription("The node's own public key, 64 hex digits; a key is made when absent")
)

const certify = Command.make("certify", { key, name, node: certified, nodeKey, out }, (given) =>
  Effect.gen(function* () {
    const operator = yield* Effect.mapError(OperatorKey.read(given.key), ({ message }) =>
      failed(`error: ${message}`)
    )
    const certificateFor = (nodeSpk: Uint8Array) =>
      Effect.mapError(
        NodeCertificate.sign({ clusterName: given.name, nodeId: given.node, nodeSpk }, operator),
        ({ reason }) =>
          usage(
            reason === "low-order-key"
              ? "error: --public-key is no key that can sign"
              : "error: needs a base domain, and an id of at most 16 letters, digits, dots, dashes and underscores"
          )
      )
    if (Option.isSome(given.nodeKey)) {
      if (!/^[0-9a-f]{64}$/i.test(given.nodeKey.value))
        return yield* usage("error: --public-key is not 64 hex digits")
      const certificate = yield* certificateFor(Buffer.from(given.nodeKey.value, "hex"))
      return yield* Option.match(given.out, {
        onNone: () => Console.log(certificate),
        onSome: (path) => writeNew(path, `${certificate}\n`, 0o644)
      })
    }
    if (Option.isNone(given.out))
      return yield* usage("error: --out is needed: the key is never printed")
    const seed = unsafeOctets(32)
    const certificate = yield* certificateFor(Ed25519.publicKey(seed))
    yield* writeNew(given.out.value, `${NodeIdentity.write(seed, certificate)}\n`, 0o600)
    yield* Console.log(`DMP_SYNC_NODE_IDENTITY_FILE=${given.out.value}`)
  })
).pipe(
  Command.withDescription(
    "Certify the key a node signs its requests with; write key and certificate for it"
  )
)

const readWire = (path: string) =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) => failed(`error: ${error instanceof Error ? error.message : String(error)}`)
  }).pipe(
    Effect.flatMap((text) => ClusterFile.parse(text)),
    Effect.catchTag("NoSuchElementException", () => failed(`error: ${path} is no cluster file`)),
    Effect.flatMap((read) =>
      read._tag === "Wire"
        ? Effect.succeed(read.wire)
        : failed(`error: ${path} holds a list of nodes, which nobody signed`)
    )
  )

const plain = (manifest: ClusterManifest.ClusterManifest) => ({
  cluster_name: manifest.clusterName,
  seq: String(manifest.seq),
  exp: manifest.exp,
  operator_spk: hex(manifest.operatorSpk),
  nodes: manifest.nodes.map(({ dnsEndpoint, httpEndpoint, nodeId }) => ({
    node_id: nodeId,
    http_endpoint: httpEndpoint,
    dns_endpoint: dnsEndpoint
  }))
})

const print = (manifest: ClusterManifest.ClusterManifest, asJson: boolean) =>
  asJson
    ? Text.printJson(plain(manifest))
    : Console.log(
        [
          `cluster: ${manifest.clusterName}`,
          `seq: ${manifest.seq}`,
          `expires: ${Text.time(manifest.exp)}`,
          `operator key: ${hex(manifest.operatorSpk)}`,
          ...manifest.nodes.map(
            ({ dnsEndpoint, httpEndpoint, nodeId }) =>
              `node: ${nodeId} ${httpEndpoint}${dnsEndpoint === "" ? "" : ` dns ${dnsEndpoint}`}`
          )
        ].join("\n")
      )

const show = Command.make("show", { file, json }, (given) =>
  Effect.gen(function* () {
    const read = ClusterManifest.parse(yield* readWire(given.file))
    if (Either.isLeft(read)) return yield* failed(`error: not a manifest: ${read.left.reason}`)
    yield* print(read.right, given.json)
  })
).pipe(Command.withDescription("Show what a manifest says, without checking its signature"))

const spk = Options.text("spk").pipe(
  Options.withDescription("The pinned operator key, 64 hex digits")
)
const expectedName = Options.text("name").pipe(
  Options.optional,
  Options.withDescription("Base domain the manifest must name")
)

const verify = Command.make("verify", { file, spk, name: expectedName, json }, (given) =>
  Effect.gen(function* () {
    if (!/^[0-9a-f]{64}$/i.test(given.spk)) return yield* usage("error: --spk is not 64 hex digits")
    const now = yield* UnixTime.now
    const verdict = ClusterManifest.verify(
      yield* readWire(given.file),
      Buffer.from(given.spk, "hex"),
      now,
      Option.getOrUndefined(given.name)
    )
    if (Either.isLeft(verdict)) return yield* failed(`error: refused: ${verdict.left.reason}`)
    if (verdict.right.nodes.length === 0) return yield* failed("error: refused: no nodes")
    yield* print(verdict.right, given.json)
  })
).pipe(Command.withDescription("Check a manifest as a node with this key pinned would"))

export const command = Command.make("cluster").pipe(
  Command.withDescription("Make and inspect cluster manifests, and certify the keys of nodes"),
  Command.withSubcommands([keygen, sign, certify, show, verify])
)
