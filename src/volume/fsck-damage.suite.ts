import assert from 'node:assert/strict'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { parsePath } from '#foundation/path.ts'
import { type Located, readEntry } from '#metadata/inodes.ts'
import { type EntryForm, entryKey, type KeyPrefix, volumePrefix } from '#metadata/keys.ts'
import { encodeRecord, type InodeRecord } from '#metadata/record.ts'
import { resolveExisting } from '#metadata/resolve.ts'
import { VolumeView } from '#metadata/transaction.ts'
import type { FsckEvent, FsckFinding, FsckOptions, FsckResult } from './fsck.ts'
import type { LockTaken } from './locks.ts'
import type { StrongVolumes } from './strong-volumes.ts'
import { bodyOf, caller, type Fixture, openFixture, pattern } from './volume-fixture.suite.ts'

export interface Checked {
  readonly findings: readonly FsckFinding[]
  readonly result: FsckResult
}

/** Runs a check to its end. `pause` is waited for after each event. */
export async function runFsck(
  volumes: StrongVolumes,
  { pause, ...options }: FsckOptions & { pause?: () => Promise<unknown> } = {},
): Promise<Checked> {
  const events: FsckEvent[] = []
  for await (const event of volumes.fsck(options)) {
    events.push(event)
    await pause?.()
  }
  const result = events.at(-1)
  assert.ok(result?.kind === 'result')
  return { findings: events.filter((event) => event.kind === 'finding'), result }
}

const LARGE = pattern(5 * 1024 * 1024 + 7)

/** A small volume with something of everything, and access to its rows. */
export class Damaged {
  readonly fixture: Fixture
  readonly prefix: KeyPrefix
  upload = ''
  /** A number that was given once and that nothing has now. */
  spare = 0 as InodeId

  constructor(fixture: Fixture) {
    this.fixture = fixture
    this.prefix = volumePrefix(fixture.volume.info.tenant, fixture.volume.info.id)
  }

  static async populate(): Promise<Damaged> {
    const fixture = await openFixture()
    const { volume } = fixture
    const write = (path: string, bytes: Uint8Array) =>
      volume.writeFile(parsePath(path), bodyOf(bytes), { caller, createParents: true })
    await write('a/b/small', Buffer.from('small'))
    await write('a/one', LARGE.subarray(0, 300_000))
    await write('a/two', LARGE.subarray(0, 1_500_000))
    await write('a/table', LARGE)
    await write('d/e/f/deep', Buffer.from('deep'))
    await write('hard', LARGE.subarray(5, 200_005))
    await volume.link(['hard'], ['a', 'hard'], caller)
    await volume.makeSymlink(['symlink'], Buffer.from('a/one'), { caller })
    await volume.writeXattr(['a', 'one'], { name: 'user.note', value: Buffer.from('x') }, caller)
    const upload = await volume.beginUpload(['up'], { caller })
    await volume.writePart(upload.id, { number: 1, body: bodyOf(LARGE.subarray(0, 1_200_000)) })
    await volume.writePart(upload.id, { number: 2, body: bodyOf(LARGE.subarray(9, 200_009)) })
    const damaged = new Damaged(fixture)
    damaged.upload = upload.id
    damaged.spare = (await write('spare', Buffer.alloc(0))).attributes.inode
    await volume.remove(['spare'], { caller })
    return damaged
  }

  get(key: Uint8Array): Promise<Buffer | undefined> {
    return this.fixture.kv.get(key)
  }

  put(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.fixture.kv.transact((tx) => tx.put(key, value))
  }

  delete(key: Uint8Array): Promise<void> {
    return this.fixture.kv.transact((tx) => tx.delete(key))
  }

  locate(path: string): Promise<Located> {
    return this.fixture.kv.read((snapshot) => resolveExisting(new VolumeView(snapshot, this.prefix), parsePath(path)))
  }

  lock(path: string): Promise<LockTaken> {
    const options = { caller, guard: { lists: [], tokens: [] }, timeoutMs: 60_000 }
    return this.fixture.volume.locks.take(parsePath(path), { scope: 'exclusive', isDeep: false, owner: '' }, options)
  }

  async keyOf(path: string, form: EntryForm = 'file'): Promise<Buffer> {
    const names = parsePath(path)
    const parent = names.length === 1 ? ROOT_INODE : (await this.locate(names.slice(0, -1).join('/'))).record.inode
    return entryKey(this.prefix, parent, names.at(-1) as string, form)
  }

  async recordAt(key: Buffer): Promise<InodeRecord> {
    return this.fixture.kv.read((snapshot) => {
      const value = snapshot.get(key)
      assert.ok(value !== undefined)
      return readEntry(new VolumeView(snapshot, this.prefix), key, value).record
    })
  }

  /** Writes `changes` into the record that `path` leads to, wherever it is. */
  async change(path: string, changes: Partial<InodeRecord>): Promise<void> {
    const { record, slot } = await this.locate(path)
    await this.put(slot, encodeRecord({ ...record, ...changes }))
  }

  /** Finds exactly `problems`, mends them all, and is clean then. */
  async expect(problems: readonly string[], options: FsckOptions = {}): Promise<readonly FsckFinding[]> {
    const { volumes } = this.fixture
    const found = await runFsck(volumes, options)
    assert.deepEqual(
      found.findings.map(({ problem }) => problem).toSorted(inOrder),
      problems.toSorted(inOrder),
      show(found.findings),
    )
    assert.deepEqual([found.result.clean, found.result.findings, found.result.repaired], [false, problems.length, 0])
    const mended = await runFsck(volumes, { ...options, repair: true })
    assert.deepEqual(
      mended.findings.map(({ problem }) => problem).toSorted(inOrder),
      problems.toSorted(inOrder),
      show(mended.findings),
    )
    assert.ok(
      mended.findings.every(({ repaired, repairable }) => repaired && repairable),
      show(mended.findings),
    )
    const again = await runFsck(volumes, { ...options, repair: true })
    assert.deepEqual(again.findings, [], show(again.findings))
    assert.ok(again.result.clean)
    return found.findings
  }
}

/** By what they look like. */
export function inOrder(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)]
  if (left === right) return 0
  return left < right ? -1 : 1
}

function show(findings: readonly FsckFinding[]): string {
  return findings.map(({ problem, where, detail }) => `${problem} at ${where}: ${detail}`).join('\n')
}
