import type { Path } from '#foundation/path.ts'

/** Where the link at `from` leads; `undefined` if that is out of the volume. */
export function linkTarget(from: Path, target: string): Path | undefined {
  if (target.startsWith('/')) return undefined
  const names = from.slice(0, -1)
  for (const name of target.split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') names.push(name)
    else if (names.pop() === undefined) return undefined
  }
  return names
}
