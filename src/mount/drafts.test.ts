import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { WholeFileSettings } from '#client/whole-file-calls.ts'
import type { RemoteEntry } from '#client/wire.ts'
import { isShoalError, ShoalError, type ErrorCode } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { formatPath } from '#foundation/path.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeAppendFiles } from '#platform/node-append-files.ts'
import type { OpenFile } from '#volume/volume.ts'
import { type Draft } from './draft.ts'
import { Drafts, type DraftsOptions } from './drafts.ts'
import { OwnVersions } from './own-versions.ts'
import { Scratch } from './scratch.ts'
import { SeenFiles } from './seen-files.ts'

const MIB = 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'shoal-drafts-'))
after(() => rmSync(folder, { recursive: true }))
const is = (code: ErrorCode) => (error: unknown) => isShoalError(error, code)
const TIME = '2026-11-26T12:00:00.000000000Z'

/** A node with one volume, as mounts see it. */
class FakeNode {
  readonly files = new Map<string, { bytes: Buffer; version: number }>()
  readonly puts: { path: string; base: string | undefined; bytes: string }[] = []
  readonly ranges: { offset: number; bytes: number }[] = []
  isCas = false
  fault: ShoalError | undefined
  #version = 100

  put(path: string, bytes: Buffer): void {
    this.#version += 1
    this.files.set(path, { bytes, version: this.#version })
  }

  attributes(path: string): Attributes | undefined {
    const file = this.files.get(path)
    if (file === undefined) return undefined
    const times = { atimeNs: 1n, mtimeNs: 1n, ctimeNs: 1n, btimeNs: 1n }
    const rest = { uid: 0, gid: 0, mode: 0o644, links: 1, rdev: 0, sha256: undefined, type: 'file' as const }
    return { inode: 5 as InodeId, sizeBytes: file.bytes.length, version: file.version, ...times, ...rest }
  }

  get options(): Pick<DraftsOptions, 'remote' | 'calls'> {
    const remote: DraftsOptions['remote'] = {
      stat: async (path) => this.attributes(formatPath(path)),
      openKnown: (path, attributes) => this.#open(formatPath(path), attributes),
      writeAt: async (path, { offset, bytes, conditions }) => {
        if (this.fault !== undefined) throw this.fault
        const key = formatPath(path)
        const before = this.files.get(key)!
        if (conditions?.ifMatch?.[0] !== entityTag(this.attributes(key)!))
          throw new ShoalError('PRECONDITION_FAILED', 'Another version')
        const longer = Buffer.alloc(Math.max(before.bytes.length, offset + bytes.length))
        before.bytes.copy(longer)
        longer.set(bytes, offset)
        this.put(key, longer)
        this.ranges.push({ offset, bytes: bytes.length })
        return this.attributes(key)!
      },
    }
    return { remote, calls: { write: (_, path, source, settings) => this.#write(path, source, settings) } }
  }

  #open(key: string, attributes: Attributes): OpenFile {
    const isSame = () => this.attributes(key)?.version === attributes.version
    const read = async function* (this: FakeNode, { offset, length }: { offset: number; length: number }) {
      if (length === 0) return
      if (!isSame()) throw new ShoalError('CONFLICT', 'Changed')
      yield this.files.get(key)!.bytes.subarray(offset, offset + length)
    }.bind(this)
    return { attributes, bytes: undefined, read: (range) => read(range), close: () => undefined }
  }

  async #write(
    path: string,
    source: { sizeBytes: number; read(offset: number, length: number): AsyncIterable<Uint8Array> },
    { base }: WholeFileSettings,
  ): Promise<RemoteEntry> {
    if (this.fault !== undefined) throw this.fault
    const bytes = Buffer.concat(await Array.fromAsync(source.read(0, source.sizeBytes)))
    const there = this.attributes(path)
    if (this.isCas && there !== undefined && entityTag(there) !== base) throw new ShoalError('PRECONDITION_FAILED', 'Stale')
    this.puts.push({ path, base, bytes: String(bytes.subarray(0, 40)) })
    this.put(path, bytes)
    const { inode, version } = this.attributes(path)!
    const times = { mtime: TIME, atime: TIME, ctime: TIME, btime: TIME }
    const rest = { path, name: path, type: 'file' as const, mode: '0644', uid: 0, gid: 0, links: 1, rdev: 0 }
    return { ...rest, ...times, inode, size: bytes.length, etag: entityTag({ inode, version }) }
  }
}

function open(node: FakeNode, bytesMax = 64 * MIB) {
  const clock = new ManualClock()
  const scratch = new Scratch({ files: nodeAppendFiles, folder, bytesMax })
  const sent: number[][] = []
  const drafts = new Drafts({
    ...node.options,
    ...{ volume: 'docs', scratch, host: 'here', clock, log: silentLog },
    own: new OwnVersions({ sleep: async () => undefined }, async () => 'removed'),
    seen: new SeenFiles(() => true),
    onSent: async (_, { version }, shown) => void sent.push([shown, version]),
  })
  const write = (path: string, offset: number, text: string | Buffer) =>
    drafts.write(path.split('/'), { offset, bytes: Buffer.from(text as Buffer) })
  return { drafts, scratch, sent, write }
}

test('what was written before a file is closed is one version, over the one that was seen', async () => {
  const node = new FakeNode()
  node.put('f', Buffer.from('one two three'))
  const seen = node.attributes('f')!
  const { drafts, scratch, sent, write } = open(node)
  await write('f', 4, 'TWO')
  await write('f', 13, ' four')
  assert.equal(drafts.find(['f'])?.isDirty, true)
  await drafts.publish(['f'])
  assert.deepEqual(node.puts, [{ path: 'f', base: entityTag(seen), bytes: 'one TWO three four' }])
  assert.deepEqual(sent, [[seen.version + 2, node.attributes('f')!.version]])
  assert.equal(drafts.find(['f']), undefined)
  assert.equal(scratch.usedBytes, 0)
  await drafts.publish(['f'])
  assert.equal(node.puts.length, 1)
})

test('a file that others have replaced meanwhile is sent as it was meant, over what was read', async () => {
  const node = new FakeNode()
  node.put('f', Buffer.from('read here'))
  const seen = node.attributes('f')!
  const { drafts, write } = open(node)
  await write('f', 0, 'READ')
  node.put('f', Buffer.from('written elsewhere'))
  await drafts.publish(['f'])
  assert.deepEqual(node.puts, [{ path: 'f', base: entityTag(seen), bytes: 'READ here' }])
})

test('of a long file one range is sent as one, over what others have made of it meanwhile', async () => {
  const node = new FakeNode()
  node.put('f', Buffer.alloc(9 * MIB, 'a'))
  const { drafts, write } = open(node)
  await write('f', 9 * MIB, 'end')
  node.put('f', Buffer.alloc(10 * MIB, 'b'))
  await drafts.publish(['f'])
  assert.deepEqual([node.puts.length, node.ranges], [0, [{ offset: 9 * MIB, bytes: 3 }]])
  assert.equal(String(node.files.get('f')!.bytes.subarray(9 * MIB - 1, 9 * MIB + 4)), 'bendb')
  await write('f', 0, 'x')
  await write('f', 100, 'y')
  await drafts.publish(['f'])
  assert.deepEqual([node.puts.length, node.ranges.length], [1, 1], 'two ranges would be two versions')
})

test('a write brings back what others have removed meanwhile, unless a part of that is missing', async () => {
  const node = new FakeNode()
  node.put('f', Buffer.from('there'))
  node.put('long', Buffer.alloc(9 * MIB, 'a'))
  const { drafts, write } = open(node)
  await write('f', 0, 'T')
  await write('long', 5, 'x')
  node.files.clear()
  await drafts.publish(['f'])
  assert.equal(String(node.files.get('f')?.bytes), 'There')
  node.fault = new ShoalError('PRECONDITION_FAILED', 'Nothing there')
  await assert.rejects(drafts.publish(['long']), is('PRECONDITION_FAILED'))
})

test('what the node does not take stays, and is sent by the next call', async () => {
  const node = new FakeNode()
  node.put('f', Buffer.alloc(0))
  const { drafts, write } = open(node)
  await write('f', 0, 'kept')
  node.fault = new ShoalError('UNAVAILABLE', 'Away')
  await assert.rejects(drafts.publish(['f']), is('UNAVAILABLE'))
  assert.equal(drafts.find(['f'])?.isDirty, true)
  node.fault = undefined
  await drafts.publishBelow([])
  assert.equal(String(node.files.get('f')?.bytes), 'kept')
})

test('what a volume with cas refuses lies beside, and who wrote it is told', async () => {
  const node = new FakeNode()
  node.put('d/f', Buffer.from('read'))
  const { drafts, write } = open(node)
  await write('d/f', 0, 'mine')
  node.put('d/f', Buffer.from('theirs'))
  node.isCas = true
  await assert.rejects(drafts.publish(['d', 'f']), is('PRECONDITION_FAILED'))
  assert.equal(String(node.files.get('d/f')?.bytes), 'theirs')
  const beside = [...node.files.keys()].find((path) => path.startsWith('d/f.conflict-here-'))!
  assert.equal(String(node.files.get(beside)?.bytes), 'mine')
  assert.equal(drafts.find(['d', 'f']), undefined)
})

test('where there is no room for more, what was written before is sent first', async () => {
  const node = new FakeNode()
  node.put('f', Buffer.alloc(0))
  const { drafts, scratch, write } = open(node, 2 * MIB)
  for (let at = 0; at < 5 * MIB; at += MIB) await write('f', at, Buffer.alloc(MIB, at / MIB))
  assert.ok(scratch.usedBytes <= 2 * MIB)
  await drafts.publish(['f'])
  const { bytes } = node.files.get('f')!
  assert.equal(bytes.length, 5 * MIB)
  for (let at = 0; at < 5 * MIB; at += MIB) assert.equal(bytes[at + 7], at / MIB)
})

test('a draft goes where its file is moved, and what is kept has all of it', async () => {
  const node = new FakeNode()
  node.put('a/f', Buffer.from('moves'))
  const { drafts, write } = open(node)
  await write('a/f', 5, '!')
  node.files.set('b/f', node.files.get('a/f')!)
  node.files.delete('a/f')
  drafts.moved(['a'], ['b'], { ...node.attributes('b/f')!, type: 'directory' })
  assert.equal(drafts.find(['a', 'f']), undefined)
  const { draft } = await drafts.keep(['b', 'f'])
  assert.equal(drafts.find(['b', 'f']), undefined)
  node.files.clear()
  assert.equal(await textOf(draft), 'moves!')
})

async function textOf(draft: Draft): Promise<string> {
  const nothing = async function* (): AsyncGenerator<Buffer> {}
  return String(Buffer.concat(await Array.fromAsync(draft.read({ offset: 0, length: draft.sizeBytes }, nothing))))
}
