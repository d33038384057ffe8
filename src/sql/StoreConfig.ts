/** Where the node keeps its databases. The one home of how the others are named after the first. */
import { Config, Context, Layer, Option } from "effect"
import { dirname, join, parse } from "node:path"
import * as Setting from "../runtime/Setting.ts"

export const settings = {
  dbPath: Setting.path("DMP_DB_PATH", {
    about:
      "Database of the records. The others lie beside it unless named; mount the directory as a persistent volume.",
    default: "/var/lib/dmp/dmp.db"
  }),
  tokenDbPath: Setting.optionalPath("DMP_TOKEN_DB_PATH", {
    about: "Database of user tokens.",
    defaultText: "(beside DMP_DB_PATH, …_tokens)"
  }),
  tsigDbPath: Setting.optionalPath("DMP_TSIG_DB_PATH", {
    about: "Database of TSIG keys.",
    defaultText: "(beside DMP_DB_PATH, …_tsig)"
  }),
  heartbeatDbPath: Setting.optionalPath("DMP_HEARTBEAT_DB_PATH", {
    about: "Database of heartbeats seen.",
    defaultText: "(beside DMP_DB_PATH, …_heartbeats)"
  }),
  auditDbPath: Setting.optionalPath("DMP_AUDIT_DB_PATH", {
    about: "Database of the audit trail.",
    defaultText: "(beside DMP_DB_PATH, …_audit)"
  })
}

export interface DataFiles {
  readonly tokens: string
  readonly tsig: string
  readonly heartbeats: string
  readonly audit: string
  readonly sync: string
}

/** The other databases' default paths: `dmp.db` has `dmp_tokens.db` beside it. */
export const siblings = (dbPath: string): DataFiles => {
  const { name, ext } = parse(dbPath)
  const sibling = (kind: string) => join(dirname(dbPath), `${name}_${kind}${ext}`)
  return {
    tokens: sibling("tokens"),
    tsig: sibling("tsig"),
    heartbeats: sibling("heartbeats"),
    audit: sibling("audit"),
    sync: sibling("sync")
  }
}

export interface StoreConfigShape {
  readonly dbPath: string
  readonly tokenDbPath: string
  readonly tsigDbPath: string
  readonly heartbeatDbPath: string
  readonly auditDbPath: string
  /** What replication remembers: how far it has come with each peer, and what was deleted. */
  readonly syncDbPath: string
  /** True when the token database was named, which asks for it in every mode. */
  readonly tokenDbNamed: boolean
}

export const config: Config.Config<StoreConfigShape> = Setting.all(settings).pipe(
  Config.map((read) => {
    const beside = siblings(read.dbPath)
    return {
      dbPath: read.dbPath,
      tokenDbPath: Option.getOrElse(read.tokenDbPath, () => beside.tokens),
      tsigDbPath: Option.getOrElse(read.tsigDbPath, () => beside.tsig),
      heartbeatDbPath: Option.getOrElse(read.heartbeatDbPath, () => beside.heartbeats),
      auditDbPath: Option.getOrElse(read.auditDbPath, () => beside.audit),
      syncDbPath: beside.sync,
      tokenDbNamed: Option.isSome(read.tokenDbPath)
    }
  })
)

export class StoreConfig extends Context.Tag("dnsmesh/sql/StoreConfig")<
  StoreConfig,
  StoreConfigShape
>() {
  static readonly layer = Layer.effect(StoreConfig, config)
}
