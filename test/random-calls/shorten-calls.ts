/** The shortest sequence that `fails` still, by leaving out ever smaller stretches; or the shortest one that was found in the given
 *  number of tries. */
export async function shortenCalls<T>(
  calls: readonly T[],
  fails: (calls: readonly T[]) => Promise<boolean>,
  { triesMax }: { readonly triesMax: number },
): Promise<readonly T[]> {
  let shortest = calls
  let tries = 0
  let length = Math.ceil(calls.length / 2)
  while (length >= 1) {
    let isShorter = false
    // From the end: what led to the last call lies there, and what is left of the beginning goes in large stretches then.
    for (let from = shortest.length - length; from > -length && tries < triesMax; from -= length) {
      const rest = shortest.filter((_, at) => at < from || at >= from + length)
      if (rest.length === 0) continue
      tries += 1
      if (!(await fails(rest))) continue
      shortest = rest
      isShorter = true
    }
    if (tries >= triesMax) break
    if (length === 1 && !isShorter) break
    length = length === 1 ? 1 : Math.ceil(length / 2)
  }
  return shortest
}
