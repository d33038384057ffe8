/** What the operator's credential routes change, and by which rules; none where nobody says. */
import { Context, Effect, Layer, Option } from "effect"
import type { RegistrationConfig } from "../auth/RegistrationConfig.ts"
import type { TokenStore } from "../auth/TokenStore.ts"
import type { TsigKeyStore } from "../auth/TsigKeyStore.ts"
import type { UpdateConfig } from "../auth/UpdateConfig.ts"
import type { ZoneConfig } from "../zone/ZoneConfig.ts"

export type Needs = TokenStore | TsigKeyStore | RegistrationConfig | UpdateConfig | ZoneConfig

export class CredentialStores extends Context.Reference<CredentialStores>()(
  "dnsmesh/http/CredentialStores",
  { defaultValue: (): Option.Option<Context.Context<Needs>> => Option.none() }
) {
  static readonly layer = Layer.effect(CredentialStores, Effect.asSome(Effect.context<Needs>()))
}
