import { isDeepStrictEqual } from 'node:util'
import type { Answer, Facts } from './world.ts'

export interface Difference {
  /** The same for what is likely to be the same defect: a shorter sequence must end in it, too. */
  readonly kind: string
  readonly text: string
}

/** What a call has come to in two worlds. */
export function compareAnswers(name: string, expected: Answer, actual: Answer): Difference | undefined {
  const [there, here] = [outcome(expected), outcome(actual)]
  if (!isDeepStrictEqual(there, here)) {
    const kind = `${name}: ${expected.error ?? 'done'} and ${actual.error ?? 'done'}`
    return { kind, text: `${JSON.stringify(there)} on the disk, ${JSON.stringify(here)} in the mount` }
  }
  const seen = compareFacts(expected.seen, actual.seen)
  return seen === undefined ? undefined : { kind: `after ${name}: ${seen.kind}`, text: `then ${seen.text}` }
}

/** The answer, with times that have changed without need taken for those that they were: in a mount they do so once more when what was
 *  changed before is stored, or at the node. */
export function withoutLateTimes(actual: Answer, expected: Answer): Answer {
  const seen = Object.entries(actual.seen).map(([path, facts]) => {
    const kept = Object.entries(facts).map(([name, value]) => {
      if (!name.endsWith('is new')) return [name, value]
      const there = expected.seen[path]?.[name]
      const isLeft = there === false
      return [name, isLeft ? there : value]
    })
    return [path, Object.fromEntries(kept)]
  })
  return { ...actual, seen: Object.fromEntries(seen) as Answer['seen'] }
}

function outcome({ value, error }: Answer): unknown {
  return error ?? value
}

/** What files are in two worlds, by path. */
export function compareFacts(
  expected: Readonly<Record<string, Facts>>,
  actual: Readonly<Record<string, Facts>>,
): Difference | undefined {
  const kinds = new Set<string>()
  const lines: string[] = []
  for (const path of [...new Set([...Object.keys(expected), ...Object.keys(actual)])].toSorted()) {
    const [there, here] = [expected[path], actual[path]]
    if (isDeepStrictEqual(there, here)) continue
    const names = [...new Set([...Object.keys(there ?? {}), ...Object.keys(here ?? {})])]
    const different = names.filter((name) => !isDeepStrictEqual(there?.[name], here?.[name]))
    const isOnOne = there === undefined || here === undefined
    kinds.add(isOnOne ? 'there and not there' : different.join(', '))
    const of = (facts: Facts | undefined): string =>
      facts === undefined ? 'nothing' : different.map((name) => `${name} ${JSON.stringify(facts[name]) ?? 'none'}`).join(', ')
    lines.push(`${JSON.stringify(path)}: ${of(there)} on the disk, ${of(here)} in the mount`)
  }
  return lines.length === 0 ? undefined : { kind: [...kinds].toSorted().join('; '), text: lines.slice(0, 10).join('\n  ') }
}
