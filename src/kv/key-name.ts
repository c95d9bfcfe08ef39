const latin1Slice = Buffer.prototype.latin1Slice

/** A key as a string of one character a byte: `<` and `===` on names order and compare exactly as bytes do, and a Map can
 *  look them up. */
export function nameOfKey(key: Uint8Array): string {
  return latin1Slice.call(key, 0, key.length)
}
