/** The part of the `siphash` package that is used here; it brings no types of its own. */
declare module "siphash" {
  const SipHash: {
    /** SipHash-2-4 of `message` as its upper and lower half; `key` as four little-endian words. */
    readonly hash: (
      key: Uint32Array,
      message: Uint8Array
    ) => { readonly h: number; readonly l: number }
  }
  export default SipHash
}
