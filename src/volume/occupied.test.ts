import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bodyOf, caller, openFixture, p, pattern } from './volume-fixture.suite.ts'
import type { Volume } from './volume.ts'

const UNIT = 512
const UNITS = 120

const range = { at: fc.nat(UNITS), units: fc.integer({ min: 1, max: 20 }) }
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), ...range }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), at: fc.nat(UNITS + 20) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('punch' as const), ...range }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reserve' as const), keepsSize: fc.boolean(), ...range }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('copy' as const), from: fc.nat(UNITS), ...range }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read along' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Units of what `locate` says is stored. */
async function storedUnits(volume: Volume): Promise<Set<number>> {
  const stored = new Set<number>()
  for (const { offset, length, kind } of (await volume.locate(p('f')))?.extents ?? []) {
    if (kind === 'hole') continue
    for (let at = offset; at < offset + length; at += UNIT) stored.add(at / UNIT)
  }
  return stored
}

function unitsOf({ at, units }: { at: number; units: number }): number[] {
  return Array.from({ length: units }, (_, index) => at + index)
}

test('a file occupies what is stored of it and set aside for it, however it came to that', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps: readonly Step[]) => {
      const { volume, volumes } = await openFixture()
      await volume.writeFile(p('f'), bodyOf(Buffer.alloc(0)), { caller })
      let reserved = new Set<number>()
      const open: { close(): void }[] = []
      for (const one of steps) {
        const size = ((await volume.stat(p('f')))?.sizeBytes ?? 0) / UNIT
        if (one.do === 'read along') {
          // A table that is being read is left as it is.
          const file = await volume.openFile(p('f'))
          if (file !== undefined) open.push(file)
          continue
        }
        if (one.do === 'truncate') {
          await volume.truncate(p('f'), one.at * UNIT, caller)
          if (one.at < size || one.at === 0) reserved = new Set([...reserved].filter((unit) => unit < one.at))
        } else {
          const bytes = { offset: one.at * UNIT, length: one.units * UNIT }
          if (one.do === 'write') await volume.writeAt(p('f'), { offset: bytes.offset, bytes: pattern(bytes.length) }, caller)
          if (one.do === 'punch') await volume.punch(p('f'), bytes, caller)
          if (one.do === 'copy') {
            const places = { sourceOffset: one.from * UNIT, targetOffset: bytes.offset, length: bytes.length }
            await volume.copyRange({ source: p('f'), target: p('f'), ...places }, caller)
          }
          if (one.do === 'punch') reserved = reserved.difference(new Set(unitsOf(one).filter((unit) => unit < size)))
          if (one.do === 'reserve') {
            await volume.reserve?.(p('f'), { ...bytes, keepsSize: one.keepsSize }, caller)
            reserved = reserved.union(new Set(unitsOf(one)))
            if (!one.keepsSize) assert.ok(((await volume.stat(p('f')))?.sizeBytes ?? 0) >= bytes.offset + bytes.length)
          }
        }
        const expected = (await storedUnits(volume)).union(reserved).size * UNIT
        assert.equal((await volume.stat(p('f')))?.occupiedBytes, expected, JSON.stringify(one))
      }
      for (const file of open) file.close()
      for await (const event of volumes.fsck({ repair: false, verify: false })) assert.notEqual(event.kind, 'finding')
    }),
    { numRuns: 150 },
  )
})

test('whole contents let go of what was set aside; copies, versions and moves occupy what is stored', async () => {
  const { volume } = await openFixture()
  await volume.writeFile(p('f'), bodyOf(pattern(10_000)), { caller })
  await volume.reserve?.(p('f'), { offset: 0, length: 5_000_000, keepsSize: true }, caller)
  const occupied = async (path: string) => (await volume.stat(p(path)))?.occupiedBytes
  assert.equal(await occupied('f'), 5_000_000)
  assert.equal((await volume.stat(p('f')))?.version, 1)
  await volume.rename(p('f'), p('g'), { caller })
  assert.equal(await occupied('g'), 5_000_000)
  await volume.copy(p('g'), p('h'), { caller })
  assert.equal(await occupied('h'), 10_000)
  await volume.writeFile(p('g'), bodyOf(pattern(7_000)), { caller })
  assert.equal(await occupied('g'), 7_000)
  await volume.truncate(p('g'), 1_000_000_000_000, caller)
  assert.equal(await occupied('g'), 7_000)
  await volume.copy(p('g'), p('sparse'), { caller })
  assert.equal(await occupied('sparse'), 7_000)
})
