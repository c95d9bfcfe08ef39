import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture, readAll } from '#volume/volume-fixture.suite.ts'
import type { OpenFile } from '#volume/volume.ts'
import type { MountedNode } from './inode-table.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { MountedVolume } from './mounted-volume.ts'
import type { LocalFile, MountableVolume } from './own-volume.ts'
import { PassedThrough } from './passed-through.ts'
import { volumeOperations } from './volume-operations.ts'

const [major = 0, minor = 0] = release().split('.').map(Number)
const isOld = major < 6 || (major === 6 && minor < 9)
const onKernel = { skip: noMounts === false ? isOld && 'this kernel passes nothing through' : noMounts, timeout: 30_000 }
const other = { caller: { principal: 'other' } }

/** A mount of a volume of which the local disk has each longer file as a whole. */
async function passingMount(t: TestContext) {
  const { volume } = await openFixture({ clock: nodeClock as never })
  const folder = mkdtempSync(join(tmpdir(), 'shoal-wholes-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const reads: string[] = []
  const withLocal = async (path: Path): Promise<LocalFile | undefined> => {
    const file = await volume.openFile(path)
    if (file === undefined || file.attributes.sizeBytes < 100_000) return file
    const whole = join(folder, entityTag(file.attributes))
    const bytes = await readAll(await volume.openFile(path))
    // The kernel may be reading the one that is there.
    if (!existsSync(whole)) {
      writeFileSync(`${whole}.new`, bytes)
      renameSync(`${whole}.new`, whole)
    }
    return {
      attributes: file.attributes,
      bytes: undefined,
      read: (range, signal) => {
        reads.push(`${path.join('/')} ${range.offset}+${range.length}`)
        return file.read(range, signal)
      },
      close: () => file.close(),
      local: { whole: () => (existsSync(whole) ? whole : undefined), release: () => rmSync(whole, { force: true }) },
    }
  }
  const passing = new Proxy(volume, {
    get: (target, name) => {
      const value: unknown = name === 'openFile' ? withLocal : Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  }) as MountableVolume
  const facts = { caller: { principal: 'tester' }, clock: nodeClock, random: nodeRandom, log: silentLog }
  const state = await MountedVolume.open({ volume: passing, ...facts })
  const files = await mounted(t, volumeOperations(state), { features: ['FLOCK_LOCKS', 'PASSTHROUGH'] })
  state.notify = (notification) => files.mount.notify(notification)
  state.passed.openBacking = (path) => files.mount.openBacking(path)
  const python = (script: string) => files.sh(`python3 - <<'END'\nimport mmap, os, time\nsize = 1 << 20\n${script}\nEND\n`)
  /** The kernel says afterwards that files were closed. */
  const closed = async (): Promise<void> => {
    for (let tries = 0; state.table.all().some(({ opens }) => opens > 0); tries += 1) {
      assert.ok(tries < 100, 'All is closed')
      await nodeClock.sleep(20)
    }
    reads.length = 0
  }
  return { ...files, python, volume, state, reads, closed }
}

test('the kernel reads what the local disk has as a whole by itself, mapped and past its cache too', onKernel, async (t) => {
  const { sh, python, reads, state, closed } = await passingMount(t)
  await sh('head -c 1M /dev/urandom > f; cp f /dev/null')
  await closed()
  const printed = await python(`
fd = os.open('f', os.O_RDONLY)
whole = os.pread(fd, size + 1, 0)
again = os.open('f', os.O_RDONLY)
mapped = mmap.mmap(again, 0, prot=mmap.PROT_READ)
direct = os.open('f', os.O_RDONLY | os.O_DIRECT)
page = mmap.mmap(-1, 4096)
os.preadv(direct, [page], 8192)
print(len(whole), mapped[:] == whole, page[:] == whole[8192:12288], os.fstat(fd).st_size)`)
  assert.equal(printed, '1048576 True True 1048576\n')
  assert.deepEqual(reads, [])
  assert.equal(await sh('sync; cmp f <(cat f) && echo same'), 'same\n')
  await closed()
  assert.ok(
    state.table.all().every((node) => state.passed.of(node) === undefined),
    'Nothing is held when all is closed',
  )
})

test(
  'who reads a file in that way sees what others write to it on this machine, which goes to the volume',
  onKernel,
  async (t) => {
    const { sh, python, volume, reads } = await passingMount(t)
    await sh('head -c 1M /dev/zero > f; cp f /dev/null')
    reads.length = 0
    const printed = await python(`
r = os.open('f', os.O_RDONLY)
m = mmap.mmap(r, 0, prot=mmap.PROT_READ)
print(os.pread(r, 4, 0))
w = os.open('f', os.O_RDWR)
os.pwrite(w, b'NEW!', 0)
os.pwrite(w, b'end', size)
time.sleep(0.5)
print(os.pread(r, 4, 0), m[:4], os.pread(r, 9, size), os.fstat(r).st_size - size, os.fstat(w).st_ino == os.fstat(r).st_ino)
s = mmap.mmap(w, 0)
s[100:104] = b'MMAP'
s.flush()
print(os.pread(r, 4, 100))
n = os.open('f', os.O_RDONLY)
print(os.pread(n, 4, 0), os.pread(n, 4, 100))
os.truncate('f', 1000)
print(len(os.pread(r, size, 0)), len(os.pread(n, size, 0)))
os.posix_fallocate(w, 0, 2000)
print(len(os.pread(r, size, 0)))
os.close(w)
os.rename('f', 'g')
print(os.pread(r, 4, 0), os.stat('g').st_size)
os.unlink('g')
print(os.pread(r, 4, 0), os.listdir('.'))`)
    assert.equal(
      printed,
      [
        String.raw`b'\x00\x00\x00\x00'`,
        "b'NEW!' b'NEW!' b'end' 3 True",
        "b'MMAP'",
        "b'NEW!' b'MMAP'",
        '1000 1000',
        '2000',
        "b'NEW!' 2000",
        "b'NEW!' []\n",
      ].join('\n'),
    )
    for (let tries = 0; (await volume.list([])).entries.length > 0 && tries < 50; tries += 1) await nodeClock.sleep(20)
    assert.deepEqual((await volume.list([])).entries, [])
  },
)

test(
  'who opens a file that others have changed reads the new version, and who has it open goes on with the old one',
  onKernel,
  async (t) => {
    const { sh, volume, reads, closed } = await passingMount(t)
    await sh("python3 -c \"print('old\\\\n' * 262144, end='')\" > f; cp f /dev/null")
    await closed()
    const script = sh(`
    exec 3< f; : > opened; until [ -e go ]; do sleep 0.05; done
    head -c 4 f; head -c 4 <&3; exec 3<&-; head -c 4 f; stat -c %s f; echo more >> f; tail -c 5 f`)
    while ((await volume.stat(['opened'])) === undefined) await nodeClock.sleep(10)
    await volume.writeFile(['f'], Buffer.alloc(600_000, 'new\n'), other)
    reads.length = 0
    await volume.writeFile(['go'], Buffer.alloc(0), other)
    assert.equal(await script, 'new\nold\nnew\n600000\nmore\n')
    assert.deepEqual(reads, [])
    assert.equal((await readAll(await volume.openFile(['f']))).subarray(-9).toString(), 'new\nmore\n')
  },
)

function fakeBacking() {
  const contents = { bytes: Buffer.from('old contents'), closed: 0, released: 0 }
  const openBacking = () => ({
    id: 7,
    write: (offset: number, bytes: Uint8Array) => {
      const grown = Buffer.alloc(Math.max(contents.bytes.length, offset + bytes.length))
      contents.bytes.copy(grown)
      grown.set(bytes, offset)
      contents.bytes = grown
    },
    cut: (sizeBytes: number) => {
      contents.bytes = contents.bytes.subarray(0, sizeBytes)
    },
    close: () => {
      contents.closed += 1
    },
  })
  const file = (text: string, version: number) => ({
    attributes: { sizeBytes: text.length, version } as Attributes,
    bytes: undefined,
    read: async function* () {
      yield Buffer.from(text.slice(0, 3))
      yield Buffer.from(text.slice(3))
    } as unknown as OpenFile['read'],
    close: () => undefined,
    local: {
      whole: () => '/whole',
      release: () => {
        contents.released += 1
      },
    },
  })
  return { contents, openBacking, file, node: { inode: 5 } as MountedNode }
}

test('readers see another version from the moment on when a lock is given with it, and the cache has that file no more', async () => {
  const { contents, openBacking, file, node } = fakeBacking()
  const passed = new PassedThrough(silentLog)
  passed.openBacking = openBacking
  assert.equal(passed.open(node, file('old contents', 1)), 7)
  await passed.renew(node.inode, file('newer', 2))
  assert.equal(contents.bytes.toString(), 'newer')
  assert.ok(contents.released > 0)
  assert.deepEqual(passed.of(node), { id: 7, version: 2 })
  passed.closed(node)
  passed.wrote(node.inode, 0, Buffer.from('x'))
  assert.deepEqual([contents.closed, contents.bytes.toString(), passed.isRead(node.inode)], [1, 'newer', false])
})

test('a kernel that takes no files is asked once, and one that has no room for this one again', () => {
  const { openBacking, file, node } = fakeBacking()
  const passed = new PassedThrough(silentLog)
  let asked = 0
  const refused = (code: 'NOT_PERMITTED' | 'BUSY') => () => {
    asked += 1
    throw new ShoalError(code, 'No')
  }
  passed.openBacking = refused('BUSY')
  assert.equal(passed.open(node, file('contents', 1)), undefined)
  passed.openBacking = refused('NOT_PERMITTED')
  assert.equal(passed.open(node, file('contents', 1)), undefined)
  assert.equal(passed.open(node, file('contents', 1)), undefined)
  assert.equal(asked, 2)
  passed.openBacking = openBacking
  assert.equal(passed.open(node, file('contents', 1)), 7)
})
