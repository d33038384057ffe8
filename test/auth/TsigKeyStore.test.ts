import { TsigKeyStore } from "../../src/auth/TsigKeyStore.ts"
import { suite } from "./TsigKeyStoreSuite.ts"

suite("TsigKeyStore in memory", () => TsigKeyStore.layerMemory)
