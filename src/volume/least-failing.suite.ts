/** As many of `items` left out as can be while `fails` still holds, by Zeller's ddmin: first large pieces, then single
 *  items (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002). */
export async function leastFailing<T>(
  items: readonly T[],
  fails: (fewer: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let least = items
  for (let piece = Math.ceil(items.length / 2); piece >= 1; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    for (let at = 0; at < least.length;) {
      const fewer = [...least.slice(0, at), ...least.slice(at + piece)]
      if (await fails(fewer)) least = fewer
      else at += piece
    }
  }
  return least
}
