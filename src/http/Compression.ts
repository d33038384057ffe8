/** Replies made shorter for whoever asks: gzip where the request takes it and it is worth it. */
import { Effect } from "effect"
import { constants, gzip } from "node:zlib"
import type { Reply } from "./Reply.ts"

/** Octets below which a reply fits a packet or two anyway. */
const worthwhile = 2048

/** True when `acceptEncoding` names gzip and does not rule it out (RFC 9110 §12.5.3). */
export const takesGzip = (acceptEncoding: string | undefined): boolean =>
  (acceptEncoding ?? "")
    .slice(0, 1024)
    .split(",")
    .some((item) => {
      const [coding = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase())
      return (
        (coding === "gzip" || coding === "x-gzip") &&
        !parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter))
      )
    })

/** `reply` as it is best sent to whoever sent `acceptEncoding`. */
export const compressed = (
  reply: Reply,
  acceptEncoding: string | undefined
): Effect.Effect<Reply> => {
  const { body } = reply
  if (body === undefined || body.length < worthwhile || !takesGzip(acceptEncoding))
    return Effect.succeed(reply)
  return Effect.async<Reply>((resume) => {
    // Off this thread: a digest of ten thousand rows takes a millisecond or ten.
    // Hashes and base64 hardly shrink further at higher levels, which cost several times as much.
    gzip(body, { level: constants.Z_BEST_SPEED }, (error, octets) =>
      resume(
        Effect.succeed(
          error !== null
            ? reply
            : {
                ...reply,
                headers: { ...reply.headers, "Content-Encoding": "gzip", Vary: "Accept-Encoding" },
                body: octets
              }
        )
      )
    )
  })
}
