/**
 * Traces to an OpenTelemetry collector over HTTP, when one is named. Otherwise this layer does
 * nothing at all: spans then cost what Effect's own no-op costs.
 */
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { Effect, Layer, Option, Redacted } from "effect"
import { TracingConfig } from "./TracingConfig.ts"

/** `name=value` pairs between commas; a value may itself contain `=`. */
const headersOf = (text: string): ReadonlyArray<[string, string]> =>
  text.split(",").map((pair) => {
    const at = pair.indexOf("=")
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
  })

const tracesUrl = (endpoint: URL): string => {
  const url = new URL(endpoint)
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/traces`
  return url.href
}

export interface TracingOptions {
  readonly version: string
  /** How often spans are sent; milliseconds. */
  readonly exportInterval?: number
}

/** Sends spans in batches; a collector that is away loses them and delays nothing. */
export const layer = ({
  version,
  exportInterval = 5000
}: TracingOptions): Layer.Layer<never, never, TracingConfig> =>
  Layer.unwrapEffect(
    Effect.map(TracingConfig, ({ endpoint, headers, serviceName }) =>
      Option.match(endpoint, {
        onNone: () => Layer.empty,
        onSome: (url) =>
          OtlpTracer.layer({
            url: tracesUrl(url),
            resource: { serviceName, serviceVersion: version },
            headers: Option.match(headers, {
              onNone: () => [],
              onSome: (secret) => headersOf(Redacted.value(secret))
            }),
            exportInterval,
            shutdownTimeout: "2 seconds"
          }).pipe(Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson]))
      })
    )
  )
