/** The HTTP reference page in Markdown, written from the same description that serves requests. */
import type { OpenApi } from "@effect/platform"
import { JSONSchema } from "effect"
import { section as limitsSection } from "./LimitsReference.ts"
import { Problem } from "./Refusal.ts"

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")

interface Schema {
  readonly $ref?: string
  readonly type?: string | ReadonlyArray<string>
  readonly description?: string
  readonly enum?: ReadonlyArray<unknown>
  readonly items?: unknown
  readonly anyOf?: ReadonlyArray<unknown>
  readonly allOf?: ReadonlyArray<unknown>
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: ReadonlyArray<string>
}

const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null

const nameOf = (ref: string): string => ref.replace("#/components/schemas/", "")
const anchorOf = (name: string): string => name.toLowerCase()

const problem = "[Problem](#problem)"

// The platform writes a schema out wherever a status is put on it, and describes what it makes
// of undecodable requests, which this front answers in its own shape.
const isProblem = ({ $ref, properties = {} }: Schema): boolean =>
  $ref?.endsWith("/HttpApiDecodeError") === true || ("code" in properties && "error" in properties)

/** What a schema takes, in a few words. */
const kindOf = (schema: unknown): string => {
  if (!isSchema(schema)) return "anything"
  if (isProblem(schema)) return problem
  if (schema.$ref?.endsWith("/Int") === true) return "integer"
  if (schema.$ref !== undefined)
    return `[${nameOf(schema.$ref)}](#${anchorOf(nameOf(schema.$ref))})`
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(" or ")
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(kindOf))].join(" or ")
  if (schema.allOf !== undefined) return kindOf(schema.allOf[0])
  if (schema.type === "array") return `list of ${kindOf(schema.items)}`
  const members = Object.keys(schema.properties ?? {})
  if (members.length > 0) return `object of ${members.map((name) => `\`${name}\``).join(", ")}`
  if (typeof schema.type === "string") return schema.type
  return schema.type === undefined ? "anything" : schema.type.join(" or ")
}

const bodies = (content: OpenApi.OpenApiSpecContent | undefined): string =>
  Object.entries(content ?? {})
    .map(([type, media]) => `\`${type}\`: ${kindOf(media?.schema)}`)
    .join("; ")

const operation = (method: string, path: string, spec: OpenApi.OpenAPISpecOperation): string => {
  const responses = Object.entries(spec.responses).map(
    ([status, response]) => `| ${status} | ${cell(bodies(response?.content) || "no body")} |`
  )
  const parameters = spec.parameters.map(
    ({ description, in: where, name, required, schema }) =>
      `| \`${name}\` | ${where} | ${cell(kindOf(schema))} | ${required ? "yes" : "no"} | ${cell(description ?? "")} |`
  )
  return [
    `### ${method.toUpperCase()} ${path}`,
    ...(spec.summary === undefined ? [] : [`${spec.summary}.`.replace(/\.\.$/, ".")]),
    ...(spec.description === undefined ? [] : [spec.description]),
    ...(parameters.length === 0
      ? []
      : [
          ["| Parameter | In | Type | Required | |", "|---|---|---|---|---|", ...parameters].join(
            "\n"
          )
        ]),
    ...(spec.requestBody === undefined ? [] : [`Body: ${bodies(spec.requestBody.content)}`]),
    ["| Status | Body |", "|---|---|", ...responses].join("\n")
  ].join("\n\n")
}

const component = (name: string, schema: unknown): string => {
  const { description, properties = {}, required = [] } = isSchema(schema) ? schema : {}
  const rows = Object.entries(properties).map(([member, value]) => {
    const about = isSchema(value) ? (value.description ?? "") : ""
    const needed = required.includes(member) ? "yes" : "no"
    return `| \`${member}\` | ${cell(kindOf(value))} | ${needed} | ${cell(about)} |`
  })
  return [
    `### ${name}`,
    ...(description === undefined ? [] : [description]),
    rows.length === 0
      ? kindOf(schema)
      : ["| Member | Type | Required | |", "|---|---|---|---|", ...rows].join("\n")
  ].join("\n\n")
}

const unused = new Set(["HttpApiDecodeError", "Issue", "PropertyKey", "Int"])

const methods = ["get", "post", "delete"] as const

/** The whole page. */
export const page = (document: OpenApi.OpenAPISpec): string => {
  const groups = document.tags.map(({ description, name }) => {
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      methods.flatMap((method) => {
        const spec = item[method]
        return spec === undefined || !spec.tags.includes(name)
          ? []
          : [operation(method, path, spec)]
      })
    )
    return [
      `## ${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      ...(description === undefined ? [] : [description]),
      ...operations
    ]
  })
  const components = Object.entries(document.components.schemas)
    .filter(([name]) => !unused.has(name))
    .map(([name, schema]) => component(name, schema))
  return `${[
    "# HTTP API",
    "<!-- Written by `node ops/dev/write-api-reference.ts` from src/http/Api.ts; a test compares the two. -->",
    `${document.info.description ?? ""} A running node describes itself: \`/openapi.json\` for programs, \`/docs\` for people.`,
    "Every refusal is a [Problem](#problem): `error` for people, `code` for programs, `request_id` to find it in the node's log. 429 and 503 say in `Retry-After` when to come back. HEAD is answered as GET without the body; a method that a path does not have gets 405 and `Allow`. Credentials go into `Authorization: Bearer`.",
    ...limitsSection,
    ...groups.flat(),
    "## Schemas",
    component("Problem", JSONSchema.make(Problem).$defs?.["Problem"]),
    ...components
  ].join("\n\n")}\n`
}
