import { SeenStore } from "../../src/peers/SeenStore.ts"
import { SyncState } from "../../src/peers/SyncState.ts"
import * as SeenSuite from "./SeenStoreSuite.ts"
import * as SyncSuite from "./SyncStateSuite.ts"

SyncSuite.suite("memory", () => SyncState.layerMemory)
SeenSuite.suite("memory", () => SeenStore.layerMemory)
