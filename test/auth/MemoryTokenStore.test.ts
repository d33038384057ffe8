import * as MemoryTokenStore from "../../src/auth/MemoryTokenStore.ts"
import { suite } from "./TokenStoreSuite.ts"

suite("MemoryTokenStore", () => MemoryTokenStore.layer)
