/** The API page: the OpenAPI document for people, without script and without foreign assets. */
import type { OpenApi } from "@effect/platform"
import { html, type Html, page } from "./Html.ts"

const schemaName = (schema: unknown): string => {
  if (typeof schema !== "object" || schema === null) return ""
  if ("$ref" in schema && typeof schema.$ref === "string")
    return schema.$ref.replace("#/components/schemas/", "")
  return "type" in schema && typeof schema.type === "string" ? schema.type : ""
}

const contents = (content: OpenApi.OpenApiSpecContent | undefined): ReadonlyArray<Html> =>
  Object.entries(content ?? {}).map(([type, media]) => {
    const name = schemaName(media?.schema)
    return name === "" || name === "string"
      ? html` <code>${type}</code>`
      : html` <code>${type}</code> <a href="#schema-${name}">${name}</a>`
  })

const operation = (method: string, path: string, spec: OpenApi.OpenAPISpecOperation): Html => {
  const body =
    spec.requestBody === undefined
      ? html``
      : html`<p>Body:${contents(spec.requestBody.content)}</p> `
  const responses = Object.entries(spec.responses).map(
    ([status, response]) =>
      html`<tr>
        <th>${status}</th>
        <td>${contents(response?.content)}</td>
      </tr> `
  )
  return html`<section>
    <h3><span class="method">${method.toUpperCase()}</span><code>${path}</code></h3>
    <p>${spec.summary ?? ""}</p>
    <p>${spec.description ?? ""}</p>
    ${body}
    <table>
      ${responses}
    </table>
  </section> `
}

const methods = ["get", "post", "delete"] as const

export const render = (document: OpenApi.OpenAPISpec): string => {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const spec = item[method]
      return spec === undefined ? [] : [operation(method, path, spec)]
    })
  )
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) =>
      html`<section>
        <h3 id="schema-${name}">${name}</h3>
        <pre>${JSON.stringify(schema, undefined, 2)}</pre>
      </section> `
  )
  return page(
    document.info.title,
    html`<h1>${document.info.title}</h1>
      <p>
        ${document.info.description ?? ""} As a document: <a href="/openapi.json">openapi.json</a>.
      </p>
      <p>
        Every refusal is a <a href="#schema-Problem">Problem</a>. <code>429</code> and
        <code>503</code> say in <code>Retry-After</code> when to come back.
      </p>
      ${operations}
      <h2>Schemas</h2>
      ${schemas}`
  )
}
