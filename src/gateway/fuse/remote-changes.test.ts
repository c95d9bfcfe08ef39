import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture, readAll } from '#volume/volume-fixture.suite.ts'
import type { Change } from '#volume/volume.ts'
import { tellLost } from './lost-change.ts'
import { MountedVolume } from './mounted-volume.ts'
import type { Caller, FuseOperations } from './protocol/operations.ts'
import type { Notification } from './protocol/notifications.ts'
import { OPEN_FLAGS } from './protocol/opcodes.ts'
import type { EntryReply, OpenReply } from './protocol/replies.ts'
import { RemoteChanges } from './remote-changes.ts'
import { volumeOperations } from './volume-operations.ts'

const by = { caller: { principal: 'other' } }

/** A mounted volume whose kernel is a list of what it was told, and the feed from `pull` on. */
async function world() {
  const { volume, volumes } = await openFixture({ clock: nodeClock as never })
  const state = await MountedVolume.open({
    volume,
    caller: { principal: 'mount' },
    clock: nodeClock,
    random: nodeRandom,
    log: silentLog,
  })
  state.coherence.isTold = true
  const told: Notification[] = []
  const changes = new RemoteChanges(state, (notification) => {
    told.push(notification)
    return Promise.resolve()
  })
  const fs = volumeOperations(state) as Required<FuseOperations>
  let cursor = await volumes.currentCursor()
  const feed = async (): Promise<Change[]> => {
    const fed: Change[] = await Array.fromAsync(volumes.changes({ cursor, follow: false, volume: 'docs' }))
    cursor = fed.at(-1)?.cursor ?? cursor
    return fed
  }
  /** Applies what the feed has; what the kernel was told of it. */
  const pull = async (): Promise<Notification[]> => {
    for (const change of await feed()) await changes.apply(change)
    return told.splice(0)
  }
  const look = async (name: string, nodeId = 1): Promise<number> => ((await fs.lookup({ name }, at(nodeId))) as EntryReply).nodeId
  return { volume, state, changes, fs, feed, pull, look, told }
}

function at(nodeId: number): Caller {
  return { nodeId, uid: 0, gid: 0, pid: 1, signal: new AbortController().signal }
}

const O_RDWR = 2
const whole = { offset: 0, length: 0 }
const ofRoot: Notification = { kind: 'inode', nodeId: 1, data: whole }

test('what others write, make, move and remove is told by the names and numbers that the kernel has', async () => {
  const { volume, pull, look, state } = await world()
  await volume.writeFile(['f'], Buffer.from('one'), by)
  await volume.makeDirectory(['d'], by)
  await pull()
  const [f, d] = [await look('f'), await look('d')]
  await volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('two') }, by.caller)
  assert.deepEqual(await pull(), [{ kind: 'inode', nodeId: f, data: whole }])
  await volume.setAttributes(['f'], { mode: 0o600 }, by.caller)
  assert.deepEqual(await pull(), [{ kind: 'inode', nodeId: f }])
  await volume.writeFile(['new'], Buffer.alloc(0), by)
  assert.deepEqual(await pull(), [ofRoot, { kind: 'entry', parentId: 1, name: 'new' }])
  await volume.rename(['f'], ['d', 'g'], by)
  assert.deepEqual(await pull(), [
    { kind: 'inode', nodeId: f },
    { kind: 'inode', nodeId: d, data: whole },
    ofRoot,
    { kind: 'entry', parentId: 1, name: 'f' },
    { kind: 'entry', parentId: d, name: 'g' },
  ])
  assert.deepEqual(state.table.path(state.table.get(f)), ['d', 'g'])
  await volume.remove(['d', 'g'], by)
  assert.deepEqual(await pull(), [
    { kind: 'inode', nodeId: f },
    { kind: 'inode', nodeId: d, data: whole },
    { kind: 'deleted', parentId: d, childId: f, name: 'g' },
  ])
})

test('a file that takes another one’s place takes it in the kernel too', async () => {
  const { volume, pull, look, state } = await world()
  await volume.writeFile(['f'], Buffer.from('one'), by)
  await volume.writeFile(['f.new'], Buffer.from('two'), by)
  await pull()
  const [f, fresh] = [await look('f'), await look('f.new')]
  await volume.rename(['f.new'], ['f'], by)
  const told = await pull()
  assert.ok(told.some((one) => one.kind === 'entry' && one.name === 'f'))
  assert.ok(told.some((one) => one.kind === 'inode' && one.nodeId === f))
  assert.deepEqual(state.table.path(state.table.get(fresh)), ['f'])
  assert.throws(() => state.table.path(state.table.get(f)), { message: 'ESTALE' })
})

test('what this mount does itself is told to nobody', async () => {
  const { fs, pull, look } = await world()
  const made = { mode: 0o644, umask: 0, flags: 0, killPrivileges: false }
  const created = (await fs.create({ name: 'f', ...made }, at(1))) as EntryReply
  const request = { handle: created.nodeId, offset: 0, fromCache: false, isAppend: false, killPrivileges: false }
  await fs.write({ ...request, data: Buffer.from('bytes') }, at(created.nodeId))
  await fs.flush({ handle: created.nodeId, lockOwner: 0n }, at(created.nodeId))
  await fs.mkdir({ name: 'd', mode: 0o755, umask: 0 }, at(1))
  const d = await look('d')
  await fs.rename({ name: 'f', newParentId: d, newName: 'g', flags: 0 }, at(1))
  await fs.unlink({ name: 'g' }, at(d))
  assert.deepEqual(await pull(), [])
})

test('the word of what this mount has done is known at once, and each but once', async () => {
  const { fs, changes, feed } = await world()
  await fs.create({ name: 'f', mode: 0o644, umask: 0, flags: 0, killPrivileges: false }, at(1))
  const [made] = await feed()
  assert.equal(changes.apply(made as Change), undefined)
  assert.ok(changes.apply(made as Change) instanceof Promise)
})

test('what this mount does again and again before the feed tells of it is not taken for what others do', async () => {
  const { fs, pull, state } = await world()
  const made = { flags: 0, mode: 0o100644, umask: 0, killPrivileges: false }
  const release = { flags: 0, unlockFlock: false, lockOwner: 0n }
  let f = 0
  for (let round = 0; round < 3; round += 1) {
    const { nodeId, handle } = (await fs.create({ name: 'new', ...made }, at(1))) as EntryReply & OpenReply
    await fs.release({ handle, ...release }, at(nodeId))
    await fs.rename({ name: 'new', newParentId: 1, newName: 'f', flags: 0 }, at(1))
    const copy = (await fs.create({ name: 'copy', ...made }, at(1))) as EntryReply & OpenReply
    await fs.release({ handle: copy.handle, ...release }, at(copy.nodeId))
    await fs.unlink({ name: 'copy' }, at(1))
    f = nodeId
  }
  assert.deepEqual(await pull(), [])
  assert.deepEqual(state.table.path(state.table.get(f)), ['f'])
})

test('a change that the feed tells before its answer is known all the same', async () => {
  const { fs, changes, volume, told } = await world()
  const answered = Promise.withResolvers<void>()
  const { makeDirectory } = volume
  volume.makeDirectory = async (...args) => {
    const attributes = await makeDirectory.apply(volume, args)
    await answered.promise
    return attributes
  }
  const making = fs.mkdir({ name: 'd', mode: 0o755, umask: 0 }, at(1)) as Promise<EntryReply>
  while ((await volume.stat(['d'])) === undefined) await nodeClock.sleep(1)
  const attributes = await volume.stat(['d'])
  const change = {
    cursor: '2',
    timeNs: attributes?.ctimeNs ?? 0n,
    kind: 'create',
    volume: 'docs',
    principal: 'mount',
    inode: attributes?.inode,
    parent: 1,
    type: 'directory',
    path: ['d'],
    from: undefined,
  } as unknown as Change
  const applying = changes.apply(change)
  answered.resolve()
  await Promise.all([making, applying])
  assert.deepEqual(told, [])
})

test('when it is not known what has changed, everything that the kernel has is dropped', async () => {
  const { volume, changes, look, told, state } = await world()
  await volume.writeFile(['f'], Buffer.from('one'), by)
  const f = await look('f')
  await changes.dropAll()
  assert.deepEqual(told.splice(0), [ofRoot, { kind: 'inode', nodeId: f, data: whole }, { kind: 'entry', parentId: 1, name: 'f' }])
  state.coherence.dropsNames = true
  await changes.dropAll()
  assert.deepEqual(told, [{ kind: 'epoch' }, ofRoot, { kind: 'inode', nodeId: f, data: whole }])
})

test('a directory that cannot be said to be gone is said to be looked for again', async () => {
  const { volume, state, look } = await world()
  await volume.makeDirectory(['d'], by)
  const d = await look('d')
  const told: Notification[] = []
  const changes = new RemoteChanges(state, async (notification) => {
    if (notification.kind === 'deleted') throw new Error('ENOTEMPTY')
    told.push(notification)
  })
  const inode = state.table.get(d).inode
  await changes.apply({ kind: 'remove', inode, parent: 1, path: ['d'], from: undefined, timeNs: 1n } as unknown as Change)
  assert.ok(told.some((one) => one.kind === 'entry' && one.name === 'd'))
})

test('a listing that others change while it is read is dropped once more when it is over', async () => {
  const { fs, pull, told, state, volume } = await world()
  state.notify = async (notification) => told.push(notification)
  const open = { flags: 0, killPrivileges: false }
  const release = { flags: 0, unlockFlock: false, lockOwner: 0n }
  const { handle } = (await fs.opendir(open, at(1))) as OpenReply
  await volume.writeFile(['new'], Buffer.alloc(0), by)
  await pull()
  await fs.releasedir({ handle, ...release }, at(1))
  assert.deepEqual(told.splice(0), [ofRoot])
  const again = (await fs.opendir(open, at(1))) as OpenReply
  await fs.releasedir({ handle: again.handle, ...release }, at(1))
  assert.deepEqual(told, [])
})

test('what is appended goes to the end of the file where others have moved that, and the kernel drops what it had', async () => {
  const { fs, look, told, state, volume } = await world()
  state.notify = async (notification) => told.push(notification)
  await volume.writeFile(['f'], Buffer.from('one'), by)
  const f = await look('f')
  const { handle } = (await fs.open({ flags: O_RDWR, killPrivileges: false }, at(f))) as OpenReply
  const append = async (text: string, offset: number): Promise<void> => {
    const request = { handle, offset, fromCache: false, isAppend: true, killPrivileges: false }
    assert.equal(await fs.write({ ...request, data: Buffer.from(text) }, at(f)), text.length)
  }
  const stored = async (): Promise<string> => {
    await fs.flush({ handle, lockOwner: 0n }, at(f))
    return (await readAll(await volume.openFile(['f']))).toString()
  }
  await append(' two', 3)
  await append(' three', 7)
  assert.equal(await stored(), 'one two three')
  assert.deepEqual(told, [])
  await append(' four', 13)
  assert.deepEqual(told, [])
  await stored()
  await volume.truncate(['f'], 3, by.caller)
  state.changed(state.table.get(f))
  await append('!', 18)
  assert.deepEqual(told, [{ kind: 'inode', nodeId: f, data: whole }])
  assert.equal(await stored(), 'one!')
})

test('what is being written is stored when a descriptor of who writes is closed, not of who reads', async () => {
  const { fs, look, volume } = await world()
  await volume.writeFile(['f'], Buffer.from('one'), by)
  const f = await look('f')
  const open = async (flags: number) => ((await fs.open({ flags, killPrivileges: false }, at(f))) as OpenReply).handle
  const [writer, reader] = [await open(O_RDWR), await open(0)]
  const close = async (handle: number): Promise<string> => {
    await fs.flush({ handle, lockOwner: 0n }, at(f))
    return (await readAll(await volume.openFile(['f']))).toString()
  }
  const versions = async () => (await volume.stat(['f']))?.version
  const before = await versions()
  const request = { handle: writer, offset: 0, fromCache: false, isAppend: false, killPrivileges: false }
  await fs.write({ ...request, data: Buffer.from('two') }, at(f))
  assert.equal(await close(reader), 'one')
  assert.equal(await versions(), before)
  assert.equal(await close(writer), 'two')
  const after = await versions()
  // The writer's descriptor in a child of it.
  assert.equal(await close(writer), 'two')
  assert.equal(await versions(), after)
})

test('who opens a file that others have changed is not shown what the kernel had of it', async () => {
  const { fs, look, told, state, volume } = await world()
  state.notify = async (notification) => told.push(notification)
  await volume.writeFile(['f'], Buffer.from('one'), by)
  const f = await look('f')
  const open = async (): Promise<number> =>
    ((await fs.open({ flags: 0, killPrivileges: false }, at(f))) as OpenReply).flags & OPEN_FLAGS.KEEP_CACHE
  assert.equal(await open(), 0)
  assert.equal(await open(), OPEN_FLAGS.KEEP_CACHE)
  // Its change is not told, or not yet.
  await volume.writeAt(['f'], { offset: 0, bytes: Buffer.from('longer') }, by.caller)
  assert.deepEqual(told, [])
  assert.equal(await open(), 0)
  assert.deepEqual(told, [{ kind: 'inode', nodeId: f }])
  await volume.remove(['f'], by)
  await assert.rejects(open(), { message: 'ESTALE' })
})

test('the kernel is not told that what was made here has another change time in the cluster, and is told of any other difference', async () => {
  const { fs, look, told, state, volume } = await world()
  state.notify = async (notification) => told.push(notification)
  await volume.writeFile(['f'], Buffer.from('one'), by)
  const f = await look('f')
  for (const [change, notifications] of [
    [{}, 0],
    [{ mode: 0o600 }, 1],
    [{ mtimeNs: 7n }, 1],
    [{ uid: 7 }, 1],
  ] as const) {
    const shown = (await volume.stat(['f'])) as Attributes
    await state.tellAttributes(state.table.get(f), shown)
    state.attributes(state.table.get(f), state.coherence.mark(), shown)
    told.length = 0
    // Something that changes nothing but the change time, and perhaps the rest.
    await volume.setAttributes(['f'], { mode: shown.mode, ...change }, by.caller)
    state.settled(shown.inode, { shown, stored: (await volume.stat(['f'])) as Attributes })
    assert.equal(told.length, notifications)
    await fs.open({ flags: 0, killPrivileges: false }, at(f))
    assert.equal(told.length, notifications)
  }
})

test('what others have given a file in the way of extended attributes, while it was shown as changed here, is asked for', async () => {
  const { look, told, state, volume } = await world()
  state.notify = async (notification) => told.push(notification)
  await volume.writeFile(['f'], Buffer.from('one'), by)
  const node = state.table.get(await look('f'))
  const shown = (await volume.stat(['f'])) as Attributes
  state.coherence.isTold = true
  state.attributes(node, state.coherence.mark(), shown)
  assert.equal(state.isBare(node), true)
  await volume.writeXattr(['f'], { name: 'user.a', value: Buffer.from('x') }, by.caller)
  told.length = 0
  state.settled(shown.inode, { shown, stored: (await volume.stat(['f'])) as Attributes })
  assert.deepEqual([state.isBare(node), told], [false, [{ kind: 'inode', nodeId: node.nodeId }]])
})

test('where a change made here was refused the kernel is told to look anew, at its place and in the directory', async () => {
  const { look, told, state, volume } = await world()
  state.notify = async (notification) => told.push(notification)
  await volume.makeDirectory(['d'], by)
  const d = await look('d')
  const mark = state.coherence.mark()
  // Of what it doesn't know, and of directories that it doesn't know, nothing has to be said.
  tellLost(state, 4711 as InodeId, [
    ['d', 'gone'],
    ['unknown', 'x'],
  ])
  assert.deepEqual(told, [
    { kind: 'entry', parentId: d, name: 'gone' },
    { kind: 'inode', nodeId: d, data: { offset: 0, length: 0 } },
  ])
  assert.equal(state.coherence.validMs(mark, state.table.get(d).inode) < 2_000, true)
})

test('what is stored while others move its directory is there if that is told in time; if not, it is refused and stays away', async () => {
  for (const isTold of [true, false]) {
    const { fs, look, pull, volume } = await world()
    await volume.makeDirectory(['d'], by)
    await volume.writeFile(['d', 'f'], Buffer.from('old'), by)
    const f = await look('f', await look('d'))
    await pull()
    const { handle } = (await fs.open({ flags: O_RDWR, killPrivileges: false }, at(f))) as OpenReply
    const writeAt = volume.writeAt.bind(volume)
    volume.writeAt = async (...args) => {
      volume.writeAt = writeAt
      await volume.rename(['d'], ['e'], by)
      if (isTold) void pull()
      return writeAt(...args)
    }
    const request = { handle, offset: 0, fromCache: false, isAppend: false, killPrivileges: false }
    await fs.write({ ...request, data: Buffer.from('new') }, at(f))
    const closed = Promise.resolve(fs.flush({ handle, lockOwner: 0n }, at(f)))
    if (isTold) await closed
    else await assert.rejects(closed, { message: 'ESTALE' })
    await pull()
    await fs.release({ handle, flags: 0, unlockFlock: false, lockOwner: 0n }, at(f))
    assert.equal((await readAll(await volume.openFile(['e', 'f']))).toString(), isTold ? 'new' : 'old')
  }
})

test('a file that is removed while its last handle is closed leaves nothing', async () => {
  const { fs, volume } = await world()
  for (const act of ['unlink', 'rename'] as const) {
    const made = { mode: 0o644, umask: 0, flags: 0, killPrivileges: false }
    const { nodeId, handle } = (await fs.create({ name: 'f', ...made }, at(1))) as EntryReply & OpenReply
    await volume.writeFile(['g'], Buffer.alloc(0), by)
    const removal =
      act === 'unlink' ? fs.unlink({ name: 'f' }, at(1)) : fs.rename({ name: 'g', newParentId: 1, newName: 'f', flags: 0 }, at(1))
    await fs.release({ handle, flags: 0, unlockFlock: false, lockOwner: 0n }, at(nodeId))
    await removal
    const names = (await volume.list([])).entries.map(({ path }) => path.join('/'))
    assert.deepEqual(names, act === 'unlink' ? ['g'] : ['f'])
  }
})
