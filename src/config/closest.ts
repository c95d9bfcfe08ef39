/** The candidate that `word` probably meant, if one is near enough: at most two edits, or a third of its letters. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const lowered = word.toLowerCase()
  const ranked = candidates.map((candidate) => ({ candidate, distance: editDistance(lowered, candidate.toLowerCase()) }))
  const best = ranked.toSorted((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= Math.max(2, word.length / 3) ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 0; row < a.length; row += 1) {
    const current = [row + 1]
    for (let column = 0; column < b.length; column += 1) {
      const replaced = (previous[column] as number) + (b[column] === a[row] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column + 1] as number) + 1, (current[column] as number) + 1))
    }
    previous = current
  }
  return previous.at(-1) as number
}
