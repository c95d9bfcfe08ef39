// An eventual volume of two nodes, mounted at each of them by `shoal mount`, and programs that work in it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { ShoalClient } from '../../src/client/shoal-client.ts'
import { MOUNT_PROMISES } from '../../src/gateway/fuse/mount-tools.suite.ts'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { EventualNodes, until } from '../support/eventual-nodes.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import type { NodeProcess } from '../support/node-process.ts'

const RANDOM_FILE = fileURLToPath(new URL('../../src/gateway/fuse/random-file.child.ts', import.meta.url))
const onKernel = { skip: noMounts, timeout: 180_000 }
const state = mkdtempSync(join(tmpdir(), 'shoal-eventual-mounts-'))
const mounts: MountedNode[] = []
let nodes: EventualNodes
let client: ShoalClient
let one: MountedNode
let other: MountedNode

before(async () => {
  if (noMounts !== false) return
  nodes = await EventualNodes.found()
  await nodes.grow(1)
  const made = await nodes.call(1, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  assert.equal(made.status, 201, await made.text())
  await until('both know the volume', async () => (await nodes.call(0, '/volumes/shared')).status === 200)
  client = connect((nodes.nodes[0] as NodeProcess).origin)
  for (const at of [0, 1]) {
    const { origin } = nodes.nodes[at] as NodeProcess
    const mount = new MountedNode({ endpoint: origin, volume: 'shared', state })
    mounts.push(mount)
    await mount.mount()
  }
  ;[one, other] = mounts as [MountedNode, MountedNode]
})

after(async () => {
  for (const mount of mounts) await mount.remove()
  await client?.close()
  await nodes?.stop()
  rmSync(state, { recursive: true, force: true })
})

/** Waits, without anything but looking, until a script ends well. */
function becomes(mount: MountedNode, script: string, seconds = 10): Promise<string> {
  return mount.sh(
    `for i in $(seq ${seconds * 20}); do if ${script}; then exit 0; fi; sleep 0.05; done; echo 'never: ${script.replaceAll("'", '"')}'; exit 1`,
  )
}

test('random changes leave what a model says, in and out of a process that holds the file removed', onKernel, async () => {
  await one.sh(`${process.execPath} ${RANDOM_FILE} 1 30`)
})

const XATTRS = MOUNT_PROMISES.filter(({ promise }) => promise.startsWith('extended attributes'))
for (const { promise, see } of XATTRS) test(promise, onKernel, () => see({ sh: (script) => one.sh(script) }))

test('files and directories are made, written anywhere, cut, moved, found and removed', onKernel, async () => {
  const printed = await one.sh(`
    mkdir -p d/e; echo one > d/a; cp d/a d/b; mv d/b d/e/c; ln -s e/c d/l; cat d/l; readlink d/l; echo two >> d/a; cat d/a
    printf XY | dd of=d/a bs=1 seek=2 conv=notrunc 2> /dev/null; cat d/a; truncate -s 3 d/a; cat d/a; echo; truncate -s 5 d/a; od -c -An d/a
    chmod 640 d/a; touch -d '2001-02-03 04:05:06.123456789 UTC' d/a; chown 12:34 d/a; TZ=UTC stat -c '%a %u:%g %s %y' d/a
    find d -type f | sort; mkdir full empty; echo x > full/x; (mv -T full empty && ls empty); (mv -T d empty 2>&1 || true) | sed 's/.*: //'
    (rmdir d 2>&1 || true) | sed 's/.*: //'; rm -r d empty; ls -A`)
  assert.equal(
    printed,
    [
      'one\ne/c\none\ntwo\nonXYtwo\n',
      'onX\n   o   n   X  \\0  \\0\n640 12:34 5 2001-02-03 04:05:06.123456789 +0000\nd/a\nd/e/c\nx\n',
      'Directory not empty\nDirectory not empty\n',
    ].join(''),
  )
})

test('what takes the place of something that is removed stays there, whenever the removal is told', onKernel, async () => {
  const printed = await one.sh(`
    for i in $(seq 50); do mkdir full empty; echo $i > full/x; exec 3<> full/x; mv -T full empty; [ "$(ls empty)" = x ] || echo "no x $i"
      head -c 2 <&3 > /dev/null; echo more >&3; exec 3>&-; rm -r empty; echo new > empty; [ "$(cat empty)" = new ] || echo "not new $i"; rm empty; done; ls -A`)
  assert.equal(printed, '')
})

test('what is moved keeps its number, with all that is in it, and what takes its place has another', onKernel, async () => {
  const printed = await one.sh(`
    mkdir n; echo 1 > n/a; a=$(stat -c %i n/a); d=$(stat -c %i n); mv n/a n/b; echo 2 > n/a; mv n m
    [ $(stat -c %i m) = $d ] && echo same || echo "$d $(stat -c %i m)"; [ $(stat -c %i m/b) = $a ] && echo same || echo "$a $(stat -c %i m/b)"; [ $(stat -c %i m/a) = $a ] || echo another; cat m/a m/b; rm -r m`)
  assert.equal(printed, 'same\nsame\nanother\n2\n1\n')
})

test(
  'what is written at one node shows at the other, which looks at nothing but its mount, in names, contents and attributes',
  onKernel,
  async () => {
    await other.sh('ls > /dev/null; test ! -e t')
    await one.sh('mkdir t; for i in $(seq 20); do echo $i > t/$i; done')
    await becomes(other, '[ "$(ls t 2> /dev/null | wc -l)" = 20 ] && [ "$(cat t/20)" = 20 ]')
    await other.sh('echo longer than before > t/7; rm t/8; chmod 600 t/9; mv t/10 t/ten; mkdir t/deep; echo far > t/deep/down')
    await becomes(
      one,
      '[ "$(cat t/7)" = "longer than before" -a ! -e t/8 -a "$(stat -c %a t/9)" = 600 -a "$(cat t/ten)" = 10 -a ! -e t/10 -a "$(cat t/deep/down)" = far ]',
    )
    await one.sh('mv t u')
    await becomes(other, '[ ! -e t -a "$(cat u/ten)" = 10 -a "$(cat u/deep/down)" = far ]')
    await other.sh('rm -r u')
    await becomes(one, '[ ! -e u ]')
  },
)

test('editors replace a file by another one, and who has the old one open goes on reading and writing it', onKernel, async () => {
  const printed = await one.sh(`
    echo old > f; exec 3<> f; echo new > .f.swp; mv .f.swp f; cat f; head -c 2 <&3; echo more >&3; cat f
    exec 4> gone; rm gone; echo unseen >&4; ls; exec 3>&- 4>&-; ls; cat f`)
  assert.equal(printed, 'new\nolnew\nf\nf\nnew\n')
  await becomes(other, '[ "$(cat f)" = new ]')
  const { versions } = (await (await nodes.call(1, '/volumes/shared/conflicts/f')).json()) as { versions: unknown[] }
  assert.equal(versions.length, 1, 'nothing of it is a conflict')
  assert.deepEqual(
    (await client.listPage('shared', '')).entries.map(({ name }) => name),
    ['f'],
  )
  await one.sh('rm f')
})

test('while a file is written others see none of it; closed, it is one version', onKernel, async () => {
  const before = await versionOf('w')
  const writing = one.sh(
    'python3 -c \'import time; f = open("w", "wb"); [(f.write(bytes(300000)), time.sleep(0.02)) for _ in range(40)]; f.close()\'',
  )
  assert.equal(before, undefined)
  const seen = new Set<number>()
  for (let isOver = false; !isOver;) {
    isOver = await Promise.race([writing.then(() => true), nodeClock.sleep(20).then(() => false)])
    seen.add((await client.findEntry('shared', 'w'))?.size ?? 0)
  }
  assert.deepEqual([...seen], [0, 12_000_000])
  await one
    .sh(`exec 3>> w; echo -n x >&3; sync w; cp w w2; echo -n y >&3; exec 3>&-; stat -c %s w w2; rm w w2`)
    .then((printed) => assert.equal(printed, '12000002\n12000001\n'))
})

test('what an eventual volume has not is refused by its name, and names that cannot be, too', onKernel, async () => {
  const printed = await one.sh(`
    why() { (eval "$1" 2>&1 || true) | sed 's/.*: //'; }
    echo x > f; why 'ln f g'; why 'mkfifo p'; why "echo x > $(printf 'n%.0s' $(seq 256))"
    long=$(printf 'n%.0s' $(seq 250)); mkdir -p $long/$long/$long/$long; why "echo x > $long/$long/$long/$long/$long"; rm -r $long
    python3 - <<'END'
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
def code(f):
    try: f()
    except OSError as e: return os.strerror(e.errno)
    return 'no error'
print(code(lambda: os.open('.', os.O_TMPFILE | os.O_RDWR)))
open('g', 'w').close(); libc.renameat2(-100, b'f', -100, b'g', 2); exchanged = ctypes.get_errno(); os.unlink('g')
print(os.strerror(exchanged))
with open(b'bytes-\\xff-\\xfe', 'w') as f: f.write('odd')
print(os.listdir(b'.'), open(b'bytes-\\xff-\\xfe').read()); os.unlink(b'bytes-\\xff-\\xfe')
END
    rm f`)
  assert.deepEqual(printed.trim().split('\n'), [
    'Operation not supported',
    'Operation not supported',
    'File name too long',
    'File name too long',
    'Operation not supported',
    'Operation not supported',
    "[b'bytes-\\xff-\\xfe', b'f'] odd",
  ])
})

test('locks hold among the programs of one machine', onKernel, async () => {
  const printed = await one.sh(`
    exec 3> lock; flock 3; flock -n lock echo taken || echo kept out; exec 3>&-; flock -n lock echo taken; rm lock`)
  assert.equal(printed, 'kept out\ntaken\n')
})

test('a tree that other doors made without directories is listed, and removed whole', onKernel, async () => {
  await nodes.put(0, 'made/by/others', 'x')
  await becomes(one, '[ "$(cat made/by/others)" = x ]')
  assert.equal(await one.sh('rm -r made; ls -A'), '')
  await nodes.put(0, 'k', 'file')
  await nodes.put(0, 'k-more', 'file')
  await nodes.put(0, 'k/in', 'directory')
  await becomes(one, '[ "$(ls | tr "\\n" " ")" = "k k-more " -a "$(cat k/in)" = directory ]')
  assert.equal(await one.sh('rm -r k; cat k; rm k k-more; ls -A'), 'file')
  await nodes.put(0, 'k', 'file')
  await nodes.put(0, 'k/in', 'directory')
  await becomes(one, '[ -d k ]')
  assert.equal((await nodes.call(0, '/volumes/shared/files/k/in', { method: 'DELETE' })).status, 204)
  await becomes(one, '[ "$(cat k)" = file ]')
  await one.sh('rm k')
})

test(
  'of two that write at once at two nodes the later one is shown, and the other one listed; writes one after the other are none',
  onKernel,
  async () => {
    await one.sh('echo start > plan')
    await becomes(other, '[ "$(cat plan)" = start ]')
    for (let round = 0; round < 3; round += 1) {
      await other.sh(`echo other ${round} > plan`)
      await becomes(one, `[ "$(cat plan)" = "other ${round}" ]`)
      await one.sh(`echo one ${round} >> plan`)
      await becomes(other, `[ "$(tail -n 1 plan)" = "one ${round}" ]`)
    }
    assert.deepEqual(await conflicts(0), [])
    await nodes.nodes[1]!.kill()
    await one.sh('echo from one > plan')
    await nodes.nodes[0]!.kill()
    await nodes.start(1)
    await other.sh('echo from the other > plan')
    await nodes.start(0)
    await becomes(one, '[ "$(cat plan)" = "from the other" ]', 30)
    const isListed = async (at: number) => isDeepStrictEqual(await conflicts(at), [['plan', 2]])
    await until('both list the one that lost', async () => (await isListed(0)) && (await isListed(1)), 30_000)
    await one.sh('rm plan')
    await nodes.agree(30_000)
  },
)

test(
  'cut off from the node that leads, which is killed, a mount takes every write; the other one goes on when its node is back',
  { ...onKernel, timeout: 120_000 },
  async () => {
    await one.sh('echo both > both; mkdir dir')
    await becomes(other, '[ "$(cat both)" = both -a -d dir ]')
    await nodes.nodes[0]!.kill()
    const [alone, lost] = await Promise.all([
      other.sh(`
      echo alone > both; mkdir dir/in; for i in $(seq 10); do echo $i > dir/in/$i; done; mv dir/in dir/out; rm dir/out/3; cat both; ls dir/out | wc -l
      git init -q dir/repo; cd dir/repo; echo x > x; git add x; git -c user.name=a -c user.email=a@b commit -qm first; git fsck --full; git status --porcelain`),
      one.sh('ls').then(String, String),
    ])
    assert.equal(alone, 'alone\n9\n')
    assert.match(lost, /Input\/output error/)
    await nodes.start(0)
    await becomes(one, '[ "$(cat both)" = alone -a "$(cat dir/out/10)" = 10 -a ! -e dir/out/3 ]', 30)
    await nodes.agree(30_000)
    assert.equal(await one.sh('cd dir/repo; git fsck --full; git status --porcelain; cat x; cd ../..; rm -r dir both; ls'), 'x\n')
  },
)

async function conflicts(at: number): Promise<(string | number)[][]> {
  const answer = (await (await nodes.call(at, '/volumes/shared/conflicts')).json()) as {
    conflicts: { path: string; versions: unknown[] }[]
  }
  return answer.conflicts.map(({ path, versions }) => [path, versions.length])
}

async function versionOf(path: string): Promise<string | undefined> {
  return (await client.findEntry('shared', path))?.etag
}
