import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePath } from '#foundation/path.ts'
import type { FsckEvent, FsckFinding, FsckOptions, FsckResult } from './fsck.ts'
import type { StrongVolumes } from './strong-volumes.ts'
import { bodyOf, caller, type Fixture, openFixture, pattern } from './volume-fixture.suite.ts'

async function check(
  volumes: StrongVolumes,
  options: FsckOptions = {},
): Promise<{ findings: FsckFinding[]; result: FsckResult }> {
  const events: FsckEvent[] = []
  for await (const event of volumes.fsck(options)) events.push(event)
  const result = events.at(-1)
  assert.ok(result?.kind === 'result')
  return { findings: events.filter((event) => event.kind === 'finding'), result }
}

async function write(fixture: Fixture, path: string, bytes: Uint8Array): Promise<void> {
  await fixture.volume.writeFile(parsePath(path), bodyOf(bytes), { caller, createParents: true })
}

test('a volume that has been used in every way is clean', async () => {
  const fixture = await openFixture()
  const { volume, volumes, clock } = fixture
  await write(fixture, 'a/b/small', Buffer.from('small'))
  await write(fixture, 'a/b/large', pattern(3 * 1024 * 1024 + 5))
  await write(fixture, 'a/table', pattern(6 * 1024 * 1024 + 5))
  await write(fixture, 'a/table', pattern(6 * 1024 * 1024 + 9, 4))
  await volume.link(['a', 'table'], ['linked'], caller)
  await volume.writeXattr(['linked'], { name: 'user.x', value: Buffer.from('y') }, caller)
  await volume.makeSymlink(['s'], Buffer.from('a/b'), { caller })
  await volume.makeNode(['fifo'], { type: 'fifo', mode: 0o600 }, caller)
  await volume.copy(['a'], ['c'], { caller, recursive: true })
  await volume.truncate(['c', 'table'], 5, caller)
  const upload = await volume.beginUpload(['u'], { caller })
  await volume.writePart(upload.id, { number: 3, body: bodyOf(pattern(2_000_000)) })
  await volume.writePart(upload.id, { number: 1, body: bodyOf(pattern(20)) })
  const gone = await volume.beginUpload(['v'], { caller })
  await volume.writePart(gone.id, { number: 3, body: bodyOf(pattern(2_000_000)) })
  await volume.abortUpload(gone.id)
  await volume.remove(['a'], { caller, recursive: true })
  assert.deepEqual((await check(volumes, { verify: true })).findings, [])
  clock.advance(5_000)
  await volumes.collect()
  const { findings, result } = await check(volumes, { verify: true })
  assert.deepEqual(findings, [])
  assert.deepEqual(result, {
    kind: 'result',
    clean: true,
    findings: 0,
    repaired: 0,
    orphanChunks: 0,
    orphanBytes: 0,
    forgottenChunks: 0,
  })
})
