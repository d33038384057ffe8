/**
 * Effect holds every fiber without a parent in a `Set` until it ends, which has most of what such
 * fibers allocate outlive them (see `Places`). Beside 5,000 publishes a second that was 40 MB/s,
 * and every two seconds a collection of the whole heap that held up queries for 40 ms.
 */
import { type Fiber, GlobalValue } from "effect"
import { Places } from "./Places.ts"

type Root = Fiber.RuntimeFiber<unknown, unknown>

interface Roots extends Iterable<unknown> {
  readonly delete: (fiber: unknown) => boolean
}

/** The part of Effect's global fiber scope that is used here. */
interface GlobalScope {
  roots: Roots
  add: (flags: unknown, fiber: Root) => void
}

/** Holds them in an array from now on. `Fiber.roots` tells of them as before. */
export const keepInPlaces = (): void => {
  const scope = GlobalValue.globalValue(
    Symbol.for("effect/FiberScope/Global"),
    // Effect has made its own when this module is loaded; another one would be asked by nobody.
    (): GlobalScope => ({ roots: new Set(), add: () => {} })
  )
  const earlier = scope.roots
  const places = new Places<Root>()
  scope.roots = {
    delete: (fiber) => earlier.delete(fiber),
    *[Symbol.iterator]() {
      yield* earlier
      yield* places
    }
  }
  scope.add = (_flags, fiber) => {
    const place = places.take(fiber)
    fiber.addObserver(() => places.giveUp(place))
  }
}
