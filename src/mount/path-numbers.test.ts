import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checksumOf } from '#platform/block-checksums.ts'
import type { InodeId } from '#foundation/ids.ts'
import { parsePath, type Path } from '#foundation/path.ts'
import { PathNumbers } from './path-numbers.ts'

/** What the kernel knows: by number, where it is. */
type Shown = Map<InodeId, { path: string | undefined; isDirectory: boolean }>

/** The number that a volume gives a path; two paths may have one. */
function numberOf(path: string, isDirectory: boolean, of: number): InodeId {
  return (2 + (checksumOf([Buffer.from(`${path}${isDirectory ? '/' : ''}`)]) % of)) as InodeId
}

function open(shown: Shown): PathNumbers {
  return new PathNumbers({
    placeOf: (number) => {
      const there = shown.get(number)
      return there === undefined ? undefined : there.path === undefined ? 'nowhere' : parsePath(there.path)
    },
    numberAt: (path) => [...shown].find(([, there]) => there.path === path.join('/'))?.[0],
    *shownBelow(directory: Path) {
      for (const [number, { path, isDirectory }] of shown)
        if (path?.startsWith(`${directory.join('/')}/`) === true) yield { path: parsePath(path), isDirectory, number }
    },
  })
}

const name = fc.constantFrom('a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a', 'f')
const step = fc.oneof(
  fc.record({ kind: fc.constant('look' as const), path: name, isDirectory: fc.boolean() }),
  fc.record({ kind: fc.constant('move' as const), path: name, to: name, isDirectory: fc.boolean() }),
  fc.record({ kind: fc.constant('remove' as const), path: name, isDirectory: fc.boolean() }),
  fc.record({ kind: fc.constant('forget' as const), which: fc.nat() }),
)

test('what is shown keeps its number wherever it moves, and no two things have one', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(3, 1_000_000), (steps, of) => {
      const shown: Shown = new Map()
      const numbers = open(shown)
      const at = (path: string) => [...shown].find(([, there]) => there.path === path)
      for (const each of steps) {
        if (each.kind === 'forget') {
          const number = [...shown.keys()][each.which % Math.max(1, shown.size)]
          if (number === undefined) continue
          shown.delete(number)
          numbers.forgotten(number)
          continue
        }
        const { path, isDirectory } = each
        const there = at(path)
        if (each.kind === 'look') {
          // The kernel looks things up as they are: what is known there as something else is gone.
          if (there !== undefined && there[1].isDirectory !== isDirectory) continue
          const number = numbers.of({ path: parsePath(path), isDirectory }, numberOf(path, isDirectory, of))
          if (there !== undefined) assert.equal(number, there[0], `${path} has another number now`)
          else assert.equal(shown.has(number), false, `${path} has the number of something else`)
          shown.set(number, { path, isDirectory })
        } else if (there !== undefined && there[1].isDirectory === isDirectory) {
          if (each.kind === 'remove') {
            if ([...shown.values()].some((inner) => inner.path?.startsWith(`${path}/`) === true)) continue
            numbers.gone({ path: parsePath(path), isDirectory })
            there[1].path = undefined
            continue
          }
          const { to } = each
          const target = at(to)
          const isTaken = target !== undefined && (isDirectory || target[1].isDirectory)
          if (isTaken || to === path || to.startsWith(`${path}/`) || path.startsWith(`${to}/`)) continue
          numbers.move({ path: parsePath(path), isDirectory }, parsePath(to))
          if (target !== undefined) target[1].path = undefined
          for (const inner of isDirectory ? shown.values() : [])
            if (inner.path?.startsWith(`${path}/`) === true) inner.path = to + inner.path.slice(path.length)
          there[1].path = to
        }
      }
      for (const [number, { path, isDirectory }] of shown)
        if (path !== undefined)
          assert.equal(numbers.of({ path: parsePath(path), isDirectory }, numberOf(path, isDirectory, of)), number)
    }),
    { numRuns: 1000 },
  )
})

test('numbers that nobody is shown any more are not kept for ever', () => {
  const shown: Shown = new Map()
  const numbers = open(shown)
  const taken = 7 as InodeId
  shown.set(taken, { path: 'elsewhere', isDirectory: false })
  for (let at = 0; at < 40_000; at += 1) numbers.of({ path: [`${at}`], isDirectory: false }, taken)
  assert.ok(numbers.size < 21_000, `${numbers.size}`)
})
