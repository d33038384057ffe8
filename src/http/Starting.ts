/** What a bound door says until there is a node behind it: come back. */
import type { RequestListener } from "node:http"

export const starting: RequestListener = (_request, response) => {
  response
    .writeHead(503, { "content-type": "application/json", "retry-after": "1", connection: "close" })
    .end('{"error":"the node is starting","code":"starting"}')
}
