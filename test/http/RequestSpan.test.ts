import { assert, describe, it } from "@effect/vitest"
import { Context, DefaultServices, Effect, Option, Tracer } from "effect"
import { ask, publish, start } from "./TestNode.ts"

const recording = () => {
  const spans: Array<Tracer.Span> = []
  const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)
  const tracer = Tracer.make({
    span: (...made) => {
      const span = native.span(...made)
      spans.push(span)
      return span
    },
    context: (run) => run()
  })
  return { spans, tracer }
}

describe("request spans", () => {
  it.scopedLive("are made when somebody listens, and continue the client's trace", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recording()
      const node = yield* start().pipe(Effect.withTracer(tracer))
      const answer = yield* publish(node, "a.example", "secret-value")
      assert.deepStrictEqual([answer.status, answer.json], [201, { ok: true }])
      assert.strictEqual((yield* publish(node, "a..b", "x")).status, 400)
      const trace = "0af7651916cd43dd8448eb211c80319c"
      yield* ask(node, "GET", "/v1/records/a.example", {
        headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` }
      })
      const [post, , get] = spans.filter(({ kind }) => kind === "server")
      assert.strictEqual(post?.name, "POST /v1/records/{name}")
      assert.strictEqual(get?.traceId, trace)
      assert.isTrue(Option.isSome(get!.parent))
      assert.notInclude(JSON.stringify([...post!.attributes]), "a.example")
    })
  )
})
