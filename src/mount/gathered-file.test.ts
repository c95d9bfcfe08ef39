import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { AppendFile } from '#platform/append-files.ts'
import { GatheredFile } from './gathered-file.ts'

/** A file of a disk that may be full. */
class MemoryFile implements AppendFile {
  bytes = Buffer.alloc(0)
  isFull = false
  writes = 0

  get sizeBytes(): number {
    return this.bytes.length
  }

  append(pieces: readonly Uint8Array[]): number {
    if (this.isFull) throw new Error('full')
    const start = this.bytes.length
    this.writes += 1
    this.bytes = Buffer.concat([this.bytes, ...pieces])
    return start
  }

  read(target: Uint8Array, position: number): number {
    return this.bytes.copy(target, 0, position)
  }

  cut(sizeBytes: number): void {
    this.bytes = this.bytes.subarray(0, sizeBytes)
  }

  async datasync(): Promise<void> {}

  tryLock(): boolean {
    return true
  }

  drop(): void {}

  close(): void {}
}

type Step = { readonly kind: 'gather' | 'append' | 'read'; readonly length: number } | 'commit' | 'fill' | 'empty'

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('gather' as const, 'append' as const, 'read' as const),
    length: fc.oneof(fc.nat(50), fc.integer({ min: 0, max: 70_000 })),
  }),
  fc.constantFrom('commit' as const, 'fill' as const, 'empty' as const),
)

test('what is there is always a beginning of what was taken, all of it after whatever is not held back, also on a full disk', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      const inner = new MemoryFile()
      const file = new GatheredFile(inner)
      let taken = Buffer.alloc(0)
      for (const [index, step] of steps.entries()) {
        if (step === 'fill' || step === 'empty') inner.isFull = step === 'fill'
        else if (step === 'commit') tries(() => file.commit())
        else if (step.kind === 'read') {
          const from = Math.min(step.length, taken.length)
          const target = Buffer.alloc(taken.length - from)
          if (tries(() => file.read(target, from))) assert.deepEqual(target, taken.subarray(from))
        } else {
          const bytes = Buffer.alloc(step.length, index + 1)
          const pieces = [bytes.subarray(0, 3), bytes.subarray(3)]
          if (tries(() => (step.kind === 'gather' ? file.gather(pieces) : file.append(pieces))))
            taken = Buffer.concat([taken, bytes])
          bytes.fill(0)
        }
        const isWritten = step === 'commit' || (typeof step === 'object' && step.kind === 'append')
        if (isWritten && !inner.isFull) assert.equal(inner.sizeBytes, taken.length)
        assert.equal(file.sizeBytes, taken.length)
        assert.deepEqual(inner.bytes, taken.subarray(0, inner.sizeBytes))
      }
    }),
  )
})

test('what is done to a file before it is closed is one write, and a flush writes what is held back', async () => {
  const inner = new MemoryFile()
  const file = new GatheredFile(inner)
  for (let times = 0; times < 4; times += 1) file.gather([Buffer.from('a'), Buffer.from('b')])
  assert.deepEqual([inner.writes, file.sizeBytes], [0, 8])
  file.commit()
  file.commit()
  assert.deepEqual([inner.writes, inner.bytes.toString()], [1, 'abababab'])
  file.gather([Buffer.from('c')])
  await file.datasync()
  assert.equal(inner.bytes.toString(), 'ababababc')
  file.gather([Buffer.from('d')])
  file.close()
  assert.equal(inner.bytes.toString(), 'ababababcd')
})

function tries(act: () => unknown): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}
