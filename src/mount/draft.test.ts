import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import { Draft, type ReadBase } from './draft.ts'
import { Scratch } from './scratch.ts'

const MIB = 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'shoal-drafts-'))
after(() => rmSync(folder, { recursive: true }))

function fileOf(sizeBytes: number, version = 7): Attributes {
  const times = { atimeNs: 1n, mtimeNs: 1n, ctimeNs: 1n, btimeNs: 1n }
  const owner = { uid: 0, gid: 0, mode: 0o644, links: 1, rdev: 0 }
  return { inode: 5 as InodeId, type: 'file', sizeBytes, version, sha256: undefined, ...times, ...owner }
}

function scratch(bytesMax = 64 * MIB): Scratch {
  return new Scratch({ files: nodeAppendFiles, folder, bytesMax })
}

function reading(bytes: Buffer): ReadBase {
  return async function* ({ offset, length }) {
    yield bytes.subarray(offset, offset + length)
  }
}

async function all(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces))
}

const change = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), offset: fc.nat(40), length: fc.nat(20) }),
  fc.record({ kind: fc.constant('truncate' as const), sizeBytes: fc.nat(50) }),
  fc.record({ kind: fc.constant('fill' as const) }),
  fc.record({ kind: fc.constant('snapshot' as const) }),
  fc.record({ kind: fc.constant('sent' as const) }),
)

test('a draft is what was written over its base, whatever of it was fetched, sent or looked at on the way', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(40),
      fc.array(change, { maxLength: 30 }),
      fc.nat(60),
      fc.nat(60),
      async (size, steps, from, length) => {
        let base: Buffer = Buffer.alloc(size, 'b')
        let model: Buffer = base
        const draft = new Draft(scratch(), fileOf(size))
        let taken: { snapshot: ReturnType<Draft['snapshot']>; model: Buffer; base: Buffer } | undefined
        const grown = (to: number): Buffer => {
          const longer = Buffer.alloc(to)
          model.copy(longer)
          return longer
        }
        for (const [at, step] of steps.entries()) {
          if (step.kind === 'write') {
            const bytes = Buffer.alloc(step.length, 65 + at)
            draft.write({ offset: step.offset, bytes }, 2n)
            if (step.length > 0) model = grown(Math.max(model.length, step.offset + step.length))
            bytes.copy(model, step.offset)
          } else if (step.kind === 'truncate') {
            draft.truncate(step.sizeBytes, 2n)
            model = grown(step.sizeBytes)
          } else if (step.kind === 'fill') {
            for (const range of draft.missing)
              draft.fill(range.offset, Buffer.from(base.subarray(range.offset, range.offset + range.length)))
            assert.deepEqual(draft.missing, [])
          } else if (step.kind === 'snapshot') {
            taken = { snapshot: draft.snapshot(), model: Buffer.from(model), base }
          } else if (taken !== undefined) {
            assert.deepEqual(await all(taken.snapshot.read(reading(taken.base))), taken.model)
            base = taken.model
            draft.sent(fileOf(base.length, 1000 + at), taken.snapshot.changes)
            taken = undefined
          }
        }
        const shown = await all(draft.read({ offset: from, length }, reading(base)))
        assert.deepEqual(shown, model.subarray(from, from + length))
        assert.equal(draft.attributes(9 as InodeId).sizeBytes, model.length)
      },
    ),
    { numRuns: 500 },
  )
})

test('each change has a version, and what is sent has that of the node', () => {
  const draft = new Draft(scratch(), fileOf(0))
  assert.equal(draft.isDirty, false)
  draft.write({ offset: 0, bytes: Buffer.from('one') }, 2n)
  const { changes, version } = draft.snapshot()
  assert.equal(version, 8)
  draft.write({ offset: 3, bytes: Buffer.from('two') }, 3n)
  draft.sent(fileOf(3, 100), changes)
  assert.equal(draft.isDirty, true)
  assert.equal(draft.attributes(9 as InodeId).version, 101)
  draft.sent(fileOf(6, 200), draft.changes)
  assert.deepEqual([draft.isDirty, draft.attributes(9 as InodeId).version], [false, 200])
})

test('what is written past a mebibyte goes to the disk, is bounded, and its room is given back', async () => {
  const room = scratch(4 * MIB)
  const draft = new Draft(room, fileOf(0))
  const written = Buffer.alloc(3 * MIB)
  for (let at = 0; at < 3 * MIB; at += MIB / 4) {
    const bytes = Buffer.alloc(MIB / 4, at / 1000)
    bytes.copy(written, at)
    draft.write({ offset: at, bytes }, 2n)
  }
  assert.equal(room.memoryBytes, 0)
  assert.deepEqual(readdirSync(folder), [], 'it has no name that somebody would have to remove')
  assert.ok((await all(draft.read({ offset: 5, length: 3 * MIB }, reading(Buffer.alloc(0))))).equals(written.subarray(5)))
  assert.throws(
    () => draft.write({ offset: 0, bytes: Buffer.alloc(2 * MIB) }, 3n),
    (error) => isShoalError(error, 'NO_SPACE'),
  )
  const late = draft.read({ offset: 0, length: 10 }, reading(Buffer.alloc(0)))
  draft.close()
  assert.equal(room.usedBytes, 0)
  await assert.rejects(all(late), (error) => isShoalError(error, 'CONFLICT'))
})
