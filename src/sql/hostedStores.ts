/** Every store that can live on the store thread. A store that is not listed here cannot be opened. */
import type { AnyHostedStore } from "./HostedStore.ts"
import * as FileUpkeep from "./FileUpkeep.ts"
import * as SqlRecordStore from "./SqlRecordStore.ts"
import * as SqlSeenStore from "./SqlSeenStore.ts"
import * as SqlSyncState from "./SqlSyncState.ts"
import * as SqlTokenStore from "./SqlTokenStore.ts"
import * as SqlTsigKeyStore from "./SqlTsigKeyStore.ts"

export const hostedStores: ReadonlyArray<AnyHostedStore> = [
  FileUpkeep.hosted,
  SqlRecordStore.hosted,
  SqlSeenStore.hosted,
  SqlSyncState.hosted,
  SqlTokenStore.hosted,
  SqlTsigKeyStore.hosted
]
