/** Where traces go. The names are OpenTelemetry's own. */
import { type Config, Context, Layer, Option, type Redacted } from "effect"
import * as Setting from "./Setting.ts"

const httpUrl = (text: string): Option.Option<URL> =>
  Option.filter(
    Option.fromNullable(URL.canParse(text) ? new URL(text) : undefined),
    ({ protocol, username, password }) =>
      (protocol === "http:" || protocol === "https:") && username === "" && password === ""
  )

export const settings = {
  endpoint: Setting.optional("OTEL_EXPORTER_OTLP_ENDPOINT", {
    about:
      "OpenTelemetry collector to which traces are sent over HTTP; unset, nothing is traced. The path v1/traces is added.",
    accepts: "an http or https URL without user name and password",
    parse: httpUrl
  }),
  headers: Setting.secret("OTEL_EXPORTER_OTLP_HEADERS", {
    about: "Headers for the collector, such as authorization=Bearer …, separated by commas.",
    accepts: "name=value pairs separated by commas",
    parse: Option.liftPredicate((text: string) =>
      text.split(",").every((pair) => /^\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[\x20-\x7e]*$/.test(pair))
    )
  }),
  serviceName: Setting.string("OTEL_SERVICE_NAME", {
    about: "Name under which this node's traces are filed.",
    default: "dnsmesh-node"
  })
}

export interface TracingConfigShape {
  readonly endpoint: Option.Option<URL>
  readonly headers: Option.Option<Redacted.Redacted<string>>
  readonly serviceName: string
}

export const config: Config.Config<TracingConfigShape> = Setting.all(settings)

export class TracingConfig extends Context.Tag("dnsmesh/runtime/TracingConfig")<
  TracingConfig,
  TracingConfigShape
>() {
  static readonly layer = Layer.effect(TracingConfig, config)
}
