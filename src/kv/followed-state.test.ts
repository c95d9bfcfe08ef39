import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommitSignals } from './commit-signals.ts'
import { FollowedState } from './followed-state.ts'
import type { TailRecord } from './journal-tail.ts'
import { MemoryBase, MemoryDisk } from './memory.ts'
import { nameOfKey } from './key-name.ts'
import { bytes, show } from './store-fixture.suite.ts'

type Row = readonly [key: string, value: string]

/** A writer of which each step is made by hand, and its follower. */
class Writer {
  readonly signals = new CommitSignals()
  readonly state: FollowedState
  /** Called with the next moment of the base that is opened, when it is open. */
  onKeep: (() => void) | undefined
  readonly #disk = new MemoryDisk()
  readonly #base = new MemoryBase(this.#disk)
  /** What is in the journal still. */
  readonly records: TailRecord[] = []
  #sequence = 0

  constructor() {
    this.signals.durable = 0
    this.state = new FollowedState({
      base: {
        keep: () => {
          const kept = this.#base.keep()
          const happens = this.onKeep
          this.onKeep = undefined
          happens?.()
          return kept
        },
      },
      signals: this.signals,
      tail: {
        next: (sequence) => this.records.find((record) => record.sequence === sequence),
        seek: (sequence) => this.records.some((record) => record.sequence === sequence),
        close() {},
      },
    })
  }

  /** Into the journal. */
  write(...rows: readonly Row[]): void {
    this.#sequence += 1
    const writes = rows.map(([key, value]) => ({ key: bytes(key), value: bytes(value) }))
    this.records.push({ sequence: this.#sequence, applied: 0, writes, lengthBytes: 4096, isFirst: this.records.length === 0 })
    this.signals.durable = this.#sequence
  }

  /** Brings all that is in the journal into the base. */
  apply(): void {
    for (const { writes } of this.records.splice(0))
      this.#commit(writes.map(({ key, value }) => [nameOfKey(key), nameOfKey(value as Buffer)]))
    this.signals.applied = this.#sequence
  }

  beginDirect(...rows: readonly Row[]): void {
    this.apply()
    this.signals.beginDirect()
    this.#commit(rows)
  }

  #commit(rows: readonly Row[]): void {
    for (const [key, value] of rows) this.#disk.entries.set(key, { key: bytes(key), value: bytes(value) })
  }
}

const everything = ({ state }: Writer): string[] =>
  show(state.range({ start: Buffer.alloc(0), end: undefined, reverse: false, limit: Infinity }))

test('a commit past the journal that overtakes the opening of a moment is seen with what came after it, or neither is', async () => {
  const writer = new Writer()
  writer.write(['a', '1'], ['b', '1'])
  assert.ok(writer.state.catchUp())
  writer.state.rest()
  writer.state.rest()
  writer.onKeep = () => {
    writer.beginDirect(['a', '2'], ['b', '2'])
    writer.signals.endDirect()
    writer.write(['b', '3'])
  }
  assert.ok(writer.state.catchUp())
  assert.deepEqual(everything(writer), ['a=2', 'b=3'])
})

test('a commit past the journal is not seen before it has ended, and from then on it is', async () => {
  const writer = new Writer()
  writer.write(['a', '1'])
  assert.ok(writer.state.catchUp())
  writer.beginDirect(['a', '2'])
  // The base shows it, the writer's own readers may not yet see it.
  assert.equal(writer.state.catchUp(), false)
  writer.signals.endDirect()
  assert.ok(writer.state.catchUp())
  assert.deepEqual(everything(writer), ['a=2'])
})

test('records that were written over unread are in the base, and rows that they changed are decoded anew', async () => {
  const writer = new Writer()
  const text = (value: Buffer): string => value.toString('latin1')
  writer.write(['a', '1'], ['b', '1'])
  writer.apply()
  assert.ok(writer.state.catchUp())
  assert.equal(writer.state.getDecoded(bytes('a'), text), '1')
  writer.write(['a', '2'])
  writer.apply()
  writer.write(['b', '3'])
  assert.ok(writer.state.catchUp())
  assert.equal(writer.state.getDecoded(bytes('a'), text), '2')
  assert.deepEqual(everything(writer), ['a=2', 'b=3'])
})

test('a record that is in the base already does no harm, and nothing that is newer is seen without what came before it', async () => {
  const writer = new Writer()
  writer.write(['a', '1'])
  writer.onKeep = () => {
    writer.write(['a', '2'], ['b', '2'])
    writer.write(['a', '3'])
  }
  assert.ok(writer.state.catchUp())
  assert.deepEqual(everything(writer), ['a=3', 'b=2'])
  const kept = writer.state.keep()
  writer.write(['b', '4'])
  writer.apply()
  assert.ok(writer.state.catchUp())
  assert.deepEqual(everything(writer), ['a=3', 'b=4'])
  assert.deepEqual(kept.get(bytes('b')), bytes('2'))
  kept.release()
})
