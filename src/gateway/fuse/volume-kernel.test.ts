import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture, readAll } from '#volume/volume-fixture.suite.ts'
import type { Volume } from '#volume/volume.ts'
import { MOUNT_PROMISES } from './mount-tools.suite.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { MountedVolume } from './mounted-volume.ts'
import type { LocalFile, MountableVolume } from './own-volume.ts'
import { volumeOperations } from './volume-operations.ts'

const onKernel = { skip: noMounts, timeout: 30_000 }

async function mountedVolume(t: TestContext, shown = (volume: Volume): MountableVolume => volume) {
  const { volume } = await openFixture({ clock: nodeClock as never })
  const state = await MountedVolume.open({
    volume: shown(volume),
    caller: { principal: 'tester' },
    clock: nodeClock,
    random: nodeRandom,
    log: silentLog,
  })
  const files = await mounted(t, volumeOperations(state))
  return { ...files, volume, state }
}

/** A volume of which each read of a file is checked before. */
function checkingReads(check: (volume: Volume, path: Path, file: LocalFile) => Promise<void> | void) {
  return (volume: Volume): MountableVolume => {
    const openFile = async (path: Path): Promise<LocalFile | undefined> => {
      const file = await volume.openFile(path)
      if (file === undefined) return undefined
      const read: LocalFile['read'] = async function* (range, signal) {
        await check(volume, path, opened)
        yield* file.read(range, signal)
      }
      const opened: LocalFile = { attributes: file.attributes, bytes: undefined, read, close: () => file.close() }
      return opened
    }
    return new Proxy(volume, {
      get: (target, name) => {
        const value: unknown = name === 'openFile' ? openFile : Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
}

for (const { promise, see } of MOUNT_PROMISES) {
  test(`on a volume: ${promise}`, onKernel, async (t) => {
    const files = await mountedVolume(t)
    await see(files)
    assert.deepEqual((await files.volume.list([])).entries, [])
  })
}

test('what close has answered is in the volume, and what the volume gets is seen by who opens after', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  await sh('mkdir d; echo from the mount > d/f; chmod 640 d/f; chown 3:4 d/f')
  const file = await volume.openFile(['d', 'f'])
  assert.equal((await readAll(file)).toString(), 'from the mount\n')
  assert.deepEqual([file?.attributes.mode, file?.attributes.uid, file?.attributes.gid], [0o640, 3, 4])
  await volume.writeFile(['d', 'f'], Buffer.from('from the volume'), { caller: { principal: 'other' } })
  await nodeClock.sleep(1100)
  assert.equal(await sh('cat d/f'), 'from the volume')
})

test('what was written shows its time at once, and the one that it is stored with once it is closed', onKernel, async (t) => {
  const { sh, volume, state } = await mountedVolume(t)
  state.coherence.isTold = true
  const looks = await sh(`echo old > f; touch -d @1000000000 f; python3 - <<'END'
import os
f = os.open('f', os.O_WRONLY | os.O_APPEND)
os.write(f, b'more')
print(os.fstat(f).st_size, os.fstat(f).st_mtime_ns // 10**6)
os.close(f)
print(os.stat('f').st_mtime_ns // 10**6)
END`)
  const [sizeBytes, earlyMs = 0, lateMs] = looks.split(/\s/).map(Number)
  assert.equal(sizeBytes, 8)
  assert.ok(Math.abs(earlyMs - Date.now()) < 20_000, looks)
  const stored = (await volume.stat(['f']))?.mtimeNs ?? 0n
  assert.equal(lateMs, Number(stored / 1_000_000n))
})

test('a time that a volume has no room for is the last one that it has', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const seen = await sh(`for at in 9223372036 9223372037 20000000000 -1.5 -9223372037 -20000000000; do
    touch -d @$at f; stat -c %.9Y f; done`)
  const [last, first] = ['9223372036.854775807', '-9223372036.854775807']
  assert.deepEqual(seen.trim().split('\n'), ['9223372036.000000000', last, last, '-1.500000000', first, first])
})

test(
  'an attribute whose name is no more than its kind is none, and of kinds that are not kept there is none',
  onKernel,
  async (t) => {
    const { sh } = await mountedVolume(t)
    const errors = await sh(`touch f; python3 - <<'END'
import errno, os
for name in 'user.', 'bad', 'security.capability', 'user.none':
    for call in (lambda: os.setxattr('f', name, b'', os.XATTR_REPLACE)), (lambda: os.getxattr('f', name)), (lambda: os.removexattr('f', name)):
        try: call()
        except OSError as error: print(errno.errorcode[error.errno], end=' ')
    print()
END`)
    assert.deepEqual(errors.trim().split(/ ?\n/), [
      'EINVAL EINVAL EINVAL',
      'ENOTSUP ENOTSUP ENOTSUP',
      'ENOTSUP ENODATA ENODATA',
      'ENODATA ENODATA ENODATA',
    ])
  },
)

test('attributes of root’s programs are listed to root alone', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const seen = await sh(`touch f; python3 - <<'END'
import os
for name in 'user.a', 'trusted.b': os.setxattr('f', name, b'')
print(*sorted(os.listxattr('f'))); os.seteuid(65534); print(*os.listxattr('f'))
END`)
  assert.equal(seen, 'trusted.b user.a\nuser.a\n')
})

test('whoever changes contents takes setuid away, also without writing; root does not', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const seen = await sh(`head -c 9000 /dev/zero > f; chmod 666 f; python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None)
f, source = os.open('f', os.O_RDWR), os.open('f', os.O_RDONLY)
def allocate(mode, length): assert libc.fallocate(f, mode, ctypes.c_long(0), ctypes.c_long(length)) == 0
PUNCH, ZERO, EXTEND = lambda: allocate(3, 4096), lambda: allocate(16, 4096), lambda: allocate(0, 20000)
for change in PUNCH, ZERO, EXTEND, lambda: os.copy_file_range(source, f, 10, 0, 5000):
    for user in 0, 65534:
        os.fchmod(f, 0o4777)
        os.seteuid(user); change(); os.seteuid(0)
        os.utime(f)
        print(oct(os.fstat(f).st_mode & 0o7777))
END`)
  assert.equal(seen, '0o4777\n0o777\n'.repeat(4))
})

test('chown to nobody takes setuid and setgid away, if who asks may change the file', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const seen = await sh(
    inPython(`
for name, mode in ('f', 0o6755), ('plain', 0o644), ('d', 0o2755):
    os.mkdir(name) if name == 'd' else os.close(os.open(name, os.O_CREAT))
    os.chown(name, 65534, 65534)
    for user in 1000, 65534, 0:
        os.chmod(name, mode)
        os.seteuid(user)
        os.chown(name, -1, -1)
        os.seteuid(0)
        print(oct(os.stat(name).st_mode & 0o7777), end=' ')`),
  )
  assert.equal(seen, '0o6755 0o755 0o755 0o644 0o644 0o644 0o2755 0o2755 0o2755 ')
})

test('fallocate changes the time of the contents and of the file, whatever it finds to do', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const seen = await sh(
    inPython(`
import ctypes, time
libc = ctypes.CDLL(None)
f = os.open('f', os.O_RDWR | os.O_CREAT)
os.write(f, bytes(9000))
for mode in 0, 1, 3, 16, 17:
    for offset in 0, 20000:
        for again in range(2):
            before = os.fstat(f)
            time.sleep(.002)
            assert libc.fallocate(f, mode, ctypes.c_long(offset), ctypes.c_long(4096)) == 0
            after = os.fstat(f)
            if after.st_mtime_ns <= before.st_mtime_ns or after.st_ctime_ns <= before.st_ctime_ns: print(mode, offset, again)`),
  )
  assert.equal(seen, '')
})

test('what is open is read on where it lies by then, moved or removed', onKernel, async (t) => {
  const byPath = checkingReads(async (volume, path, { attributes }) => {
    if ((await volume.stat(path))?.inode !== attributes.inode) throw new ShoalError('NOT_FOUND', 'There is no such file')
  })
  const { sh, volume } = await mountedVolume(t, byPath)
  await volume.writeFile(['f'], Buffer.alloc(8_000_000, 7), { caller: { principal: 'other' } })
  const read = await sh(`python3 - <<'END'
import os
f = os.open('f', os.O_RDONLY)
print(len(os.pread(f, 10, 0)))
os.rename('f', 'g'); print(len(os.pread(f, 10, 3000000)))
os.unlink('g'); print(len(os.pread(f, 10, 7000000)))
END`)
  assert.equal(read, '10\n10\n10\n')
})

test('a read goes on with what a file is now, however often it changes meanwhile', onKernel, async (t) => {
  let changesLeft = 0
  const changing = checkingReads(() => {
    changesLeft -= 1
    if (changesLeft >= 0) throw new ShoalError('CONFLICT', 'It has changed since it was opened')
  })
  const { sh } = await mountedVolume(t, changing)
  await sh('echo text > f')
  changesLeft = 5
  assert.equal(await sh('cat f'), 'text\n')
  assert.ok(changesLeft < 0, 'It was read from the volume')
})

test('bytes written to a file that another has replaced go nowhere else', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const other = { caller: { principal: 'other' } }
  const script = sh('echo mine > f; exec 3>>f; : > opened; until [ -e go ]; do sleep 0.1; done; echo more >&3; exec 3>&-')
  while ((await volume.stat(['opened'])) === undefined) await nodeClock.sleep(10)
  await volume.remove(['f'], other)
  await volume.writeFile(['f'], Buffer.from('theirs'), other)
  await volume.writeFile(['go'], Buffer.alloc(0), other)
  await script.catch(() => undefined)
  assert.equal((await readAll(await volume.openFile(['f']))).toString(), 'theirs')
})

test('a file that is removed while it is open shows nowhere, goes on, and leaves nothing', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const printed = await sh(`
    echo one > f; exec 3<>f; rm f; ls -A; echo two >&3; stat -L -c %h /proc/self/fd/3; cat /proc/self/fd/3
    echo new > g; exec 4<g; echo newer > h; mv h g; cat g; cat <&4; exec 3<&- 4<&-`)
  assert.equal(printed, '0\ntwo\nnewer\nnew\n')
  for (let tries = 0; (await volume.list([])).entries.length > 1 && tries < 50; tries += 1) await nodeClock.sleep(20)
  assert.deepEqual(
    (await volume.list([])).entries.map(({ path }) => path.join('/')),
    ['g'],
  )
})

test(
  'a directory that is removed or replaced while it is open goes on for those who have it, empty and without a name',
  onKernel,
  async (t) => {
    const { sh, volume } = await mountedVolume(t)
    const printed = await sh(
      inPython(`
for gone in ('removed', 'replaced'):
    os.mkdir(gone); fd = os.open(gone, os.O_RDONLY)
    if gone == 'removed':
        os.rmdir(gone)
    else:
        os.mkdir('next'); os.rename('next', gone)
    os.fchmod(fd, 0o700); os.fchown(fd, 5, 6); os.utime(fd, (1, 2)); os.fsync(fd)
    os.setxattr(fd, 'user.a', b'one'); os.setxattr(fd, 'user.b', b'two'); os.removexattr(fd, 'user.b')
    for flags in (os.XATTR_CREATE, os.XATTR_REPLACE):
        try: os.setxattr(fd, 'user.a' if flags == os.XATTR_CREATE else 'user.b', b'', flags)
        except OSError as error: print(errno.errorcode[error.errno], end=' ')
    try: os.mkdir('in it', dir_fd=fd)
    except OSError as error: print(errno.errorcode[error.errno], end=' ')
    seen = os.fstat(fd)
    print(oct(seen.st_mode), seen.st_nlink, seen.st_uid, seen.st_gid, seen.st_mtime, os.listdir(fd), os.listxattr(fd), os.getxattr(fd, 'user.a'))`),
    )
    const seen = "EEXIST ENODATA ENOENT 0o40700 0 5 6 2.0 [] ['user.a'] b'one'\n"
    assert.equal(printed, seen + seen)
    assert.deepEqual(
      (await volume.list([])).entries.map(({ path, attributes }) => `${path.join('/')} ${attributes.mode.toString(8)}`),
      ['replaced 755'],
    )
  },
)

test('the kernel forgets what is gone, and the table with it', onKernel, async (t) => {
  const { sh, state } = await mountedVolume(t)
  await sh('mkdir d; for i in $(seq 100); do echo x > d/$i; done; ls -lR . > /dev/null; rm -r d; ls')
  for (let tries = 0; state.table.size > 1 && tries < 100; tries += 1) await nodeClock.sleep(20)
  assert.equal(state.table.size, 1)
})

const inPython = (script: string): string => `python3 - <<'END'\nimport os, errno, fcntl, select\n${script}\nEND\n`

test('holes are punched, zeroed, allocated and found, and take no room', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const printed = await sh(`
    head -c 8M /dev/urandom > f; cp f g; fallocate -p -o 2M -l 3M f; fallocate -z -o 6M -l 1M f; stat -c %s f
    cmp <(tail -c +2097153 f | head -c 3M) <(head -c 3M /dev/zero); cmp <(head -c 2M f) <(head -c 2M g); cmp <(tail -c 1M f) <(tail -c 1M g)
    fallocate -n -l 20M f; stat -c %s f; fallocate -l 20M f; stat -c %s f; fallocate -z -n -o 19M -l 9M f; stat -c %s f
    (fallocate -c -o 0 -l 1M f 2>&1 || true) | sed 's/.*: //'
    ${inPython(`
f = os.open('f', os.O_RDWR)
print([os.lseek(f, 0, os.SEEK_HOLE) >> 20, os.lseek(f, 3 << 20, os.SEEK_DATA) >> 20, os.lseek(f, 5 << 20, os.SEEK_HOLE) >> 20])
os.pwrite(f, b'x', 15 << 20)
print(os.lseek(f, 9 << 20, os.SEEK_DATA) >> 20, os.lseek(f, 15 << 20, os.SEEK_HOLE) > 15 << 20)
try: os.lseek(f, 16 << 20, os.SEEK_DATA)
except OSError as e: print(e.errno == errno.ENXIO)`)}`)
  assert.equal(printed, '8388608\n8388608\n20971520\n20971520\nOperation not supported\n[2, 5, 6]\n15 True\nTrue\n')
  const { extents } = (await volume.locate(['f'])) ?? { extents: [] }
  const holes = extents.filter(({ kind }) => kind === 'hole').reduce((sum, { length }) => sum + length, 0)
  assert.ok(holes >= 15 * 1024 * 1024, String(holes))
})

test('a file without a name shows nowhere until it is linked, and goes if it never is', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const printed = await sh(
    `mkdir d; ${inPython(`
f = os.open('d', os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(f, b'kept')
print(os.fstat(f).st_nlink, os.listdir('.'))
os.link(f'/proc/self/fd/{f}', 'named', src_dir_fd=os.open('d', os.O_RDONLY))
print(os.fstat(f).st_nlink)
g = os.open('d', os.O_TMPFILE | os.O_RDWR)
os.write(g, b'lost')
os.close(f)
f = os.open('named', os.O_RDWR)
print(os.read(f, 9), os.listdir('d'))`)}cat named; stat -c '%a %h' named`,
  )
  assert.equal(printed, "0 ['d']\n1\nb'kept' []\nkept640 1\n")
  for (let tries = 0; (await volume.list([])).entries.length > 2 && tries < 50; tries += 1) await nodeClock.sleep(20)
  assert.equal((await volume.list([])).entries.length, 2)
})

test(
  'bytes are copied between files by reference; devices’ calls are refused, and files are always ready',
  onKernel,
  async (t) => {
    const { sh } = await mountedVolume(t)
    const printed = await sh(
      `head -c 3M /dev/urandom > f; ${inPython(`
f, g = os.open('f', os.O_RDONLY), os.open('g', os.O_RDWR | os.O_CREAT)
print(os.copy_file_range(f, g, 2 << 20, 1 << 20, 4096))
try: fcntl.ioctl(f, 0x80086601, b'        ')
except OSError as e: print(e.errno == errno.ENOTTY)
p = select.poll()
p.register(g, select.POLLIN | select.POLLOUT)
print(p.poll(0)[0][1])`)}cmp <(tail -c +4097 g) <(tail -c +1048577 f); stat -c %s g`,
    )
    assert.equal(printed, '2097152\nTrue\n5\n2101248\n')
  },
)
