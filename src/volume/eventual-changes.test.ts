import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { formatPath } from '#foundation/path.ts'
import { entityTag } from '#metadata/attributes.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualChanges } from './eventual-changes.ts'
import { eventualFixture } from './eventual-fixture.suite.ts'
import { bodyOf, caller, p } from './volume-fixture.suite.ts'
import type { Change } from './volume.ts'

const isTooOld = (error: unknown) => isShoalError(error, 'CURSOR_TOO_OLD')
const lineOf = ({ kind, path }: Change) => `${kind} ${formatPath(path)}`

async function two() {
  const fixture = await eventualFixture(2)
  await fixture.volumes[0]!.create('docs', {}, caller)
  await fixture.settle()
  const [here, there] = [fixture.volumes[0]!, fixture.volumes[1]!]
  const since = async (cursor: string, volume = 'docs') => Array.fromAsync(here.changes.follow({ cursor, volume, follow: false }))
  return { ...fixture, here, there, since }
}

test('what a node takes and what it hears from others is told, as what is at each path now', async () => {
  const { here, there, since, settle } = await two()
  const [docs, other] = [await here.open('docs'), await there.open('docs')]
  const start = here.changes.currentCursor()
  await docs.writeFile(p('a'), bodyOf('one'), { caller })
  await docs.makeDirectory(p('d'), { caller })
  await other.writeFile(p('far/away'), bodyOf('two'), { caller, createParents: true })
  await settle()
  const told = await since(start)
  assert.deepEqual(told.map(lineOf), ['write a', 'write d', 'write far/away'])
  assert.equal(told[0]?.etag, entityTag((await docs.stat(p('a')))!))
  assert.equal(told[2]?.inode, (await docs.stat(p('far/away')))?.inode)
  assert.equal(told[2]?.parent, (await docs.stat(p('far')))?.inode)
  assert.deepEqual((await since(told[1]!.cursor)).map(lineOf), ['write far/away'])
  await docs.rename(p('a'), p('d/b'), { caller })
  assert.deepEqual((await since(told[2]!.cursor)).map(lineOf), ['remove a', 'write d/b'])
})

test('directories that were there only because of what was in them are told to be gone with it', async () => {
  const { here, since } = await two()
  const docs = await here.open('docs')
  await docs.writeFile(p('x/y/z'), bodyOf('z'), { caller, createParents: true })
  await docs.makeDirectory(p('x'), { caller, parents: true })
  const start = here.changes.currentCursor()
  await docs.remove(p('x/y/z'), { caller })
  assert.deepEqual((await since(start)).map(lineOf), ['remove x/y/z', 'remove x/y', 'remove x'])
  await docs.writeFile(p('both'), bodyOf('file'), { caller })
  await docs.writeFile(p('both/in'), bodyOf('in'), { caller, createParents: true })
  const shadowed = here.changes.currentCursor()
  await docs.remove(p('both/in'), { caller })
  const told = await since(shadowed)
  assert.deepEqual(
    told.map(({ kind, path, type }) => [kind, formatPath(path), type]),
    [
      ['remove', 'both/in', undefined],
      ['write', 'both', 'file'],
    ],
  )
  await docs.makeDirectory(p('kept'), { caller })
  await docs.writeFile(p('kept/f'), bodyOf('f'), { caller })
  const again = here.changes.currentCursor()
  await docs.remove(p('kept/f'), { caller })
  assert.deepEqual((await since(again)).map(lineOf), ['remove kept/f'])
})

test('changes of one path that nobody has looked at yet are told once, others volumes not at all', async () => {
  const { here, since } = await two()
  await here.create('more', {}, caller)
  const [docs, more] = [await here.open('docs'), await here.open('more')]
  const start = here.changes.currentCursor()
  for (const text of ['1', '2', '3']) await docs.writeFile(p('f'), bodyOf(text), { caller })
  await more.writeFile(p('g'), bodyOf('g'), { caller })
  assert.deepEqual((await since(start)).map(lineOf), ['write f'])
  assert.deepEqual((await since(start, 'more')).map(lineOf), ['write g'])
})

test('a follower hears of a change when it happens, and ends by its signal', async () => {
  const { here } = await two()
  const docs = await here.open('docs')
  const stop = new AbortController()
  const feed = here.changes.follow({ volume: 'docs', signal: stop.signal })
  const first = feed.next()
  await docs.writeFile(p('now'), bodyOf('now'), { caller })
  assert.equal(lineOf((await first).value as Change), 'write now')
  const end = feed.next()
  stop.abort()
  assert.equal((await end).done, true)
})

test('a cursor of another node, of a former life or of the future is too old', async () => {
  const { here, there, since } = await two()
  const life = here.changes.currentCursor().split('-')[0]!
  for (const cursor of [
    there.changes.currentCursor().replace(life, 'f'.repeat(16)),
    '1',
    'x-1',
    `${life}-0`,
    `${life}-9999`,
    `${life}-x`,
  ])
    await assert.rejects(since(cursor), isTooOld, cursor)
})

test('who falls too far behind is told so, and nobody else', async () => {
  let hear: (places: readonly { volume: string; path: string }[]) => void = () => undefined
  const changes = new EventualChanges({
    watch: (watcher) => {
      hear = watcher
    },
    open: async () => ({ stat: async () => undefined }),
    clock: new ManualClock(),
    random: new SeededRandom(1),
  })
  const since = (cursor: string) => Array.fromAsync(changes.follow({ cursor, volume: 'docs', follow: false }))
  const start = changes.currentCursor()
  for (let round = 0; round < 2; round += 1)
    hear(Array.from({ length: 70_000 }, (_, at) => ({ volume: 'elsewhere', path: `${at}` })))
  await assert.rejects(since(start), isTooOld)
  const latest = changes.currentCursor()
  hear([{ volume: 'docs', path: 'f' }])
  assert.deepEqual((await since(latest)).map(lineOf), ['remove f'])
})
