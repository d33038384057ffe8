import { RecordStore } from "../../src/zone/RecordStore.ts"
import { suite } from "./RecordStoreSuite.ts"

suite("memory", () => RecordStore.layerMemory)
