// Access control lists as Debian's acl package and the kernel see them.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture } from '#volume/volume-fixture.suite.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { MountedVolume } from './mounted-volume.ts'
import { refusal } from './protocol/errno.ts'
import type { FuseOperations } from './protocol/operations.ts'
import { volumeOperations } from './volume-operations.ts'

const noTools = existsSync('/usr/bin/setfacl') && existsSync('/usr/bin/setpriv') ? false : 'setfacl or setpriv is missing'
const onKernel = { skip: noMounts === false ? noTools : noMounts, timeout: 30_000 }
const by = { principal: 'other' }

async function mountedVolume(t: TestContext) {
  const { volume } = await openFixture({ clock: nodeClock as never })
  const state = await MountedVolume.open({ volume, caller: by, clock: nodeClock, random: nodeRandom, log: silentLog })
  const calls = { readXattr: 0, getxattr: 0 }
  const counted = new Proxy(state.volume, {
    get: (target, name) => {
      if (name === 'readXattr') calls.readXattr += 1
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  Object.assign(state, { volume: counted })
  const plain = volumeOperations(state, { keepsAcls: true })
  const operations: FuseOperations = {
    ...plain,
    getxattr: (request, from) => {
      calls.getxattr += 1
      return plain.getxattr?.(request, from) ?? refusal('ENOSYS')
    },
  }
  const files = await mounted(t, operations, {
    features: ['POSIX_ACL', 'DONT_MASK', 'SETXATTR_EXT'],
  })
  // Its own requests for the root come before.
  await files.sh('chmod 755 .')
  return { ...files, volume, state, calls }
}

test('a named user gets in where the mode alone would keep him out, and no further than the mask', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const printed = await sh(`
    as() { setpriv --reuid=$1 --regid=$1 --clear-groups "\${@:2}"; }
    echo secret > f; chmod 600 f; as 1001 cat f 2>/dev/null || echo no
    setfacl -m u:1001:rw f; as 1001 cat f; as 1002 cat f 2>/dev/null || echo no
    stat -c %a f; getfacl -cEn f; chmod 640 f; getfacl -cEn f | grep mask; as 1001 cat f
    as 1001 sh -c 'echo more >> f' 2>/dev/null || echo no
    setfacl -b f; stat -c %a f; as 1001 cat f 2>/dev/null || echo no`)
  const list = 'user::rw-\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n\n'
  assert.equal(printed, `no\nsecret\nno\n660\n${list}mask::r--\nsecret\nno\n600\nno\n`)
})

test('what is made in a directory gets its default list, whatever the umask says', onKernel, async (t) => {
  const { sh } = await mountedVolume(t)
  const printed = await sh(`
    umask 077; mkdir plain; touch plain/f; stat -c %a plain plain/f
    mkdir d; setfacl -d -m u:1001:rwx,g::rx,o::- d; touch d/f; mkdir d/e; mkfifo d/p; touch d/e/g
    getfacl -cEn d/f; getfacl -dcEn d/e; stat -c %a d/f d/e d/p d/e/g
    setfacl -k d; touch d/h; stat -c %a d/h`)
  const file = 'user::rw-\nuser:1001:rwx\ngroup::r-x\nmask::rw-\nother::---\n\n'
  const defaults = 'user::rwx\nuser:1001:rwx\ngroup::r-x\nmask::rwx\nother::---\n\n'
  assert.equal(printed, `700\n600\n${file}${defaults}660\n770\n660\n660\n600\n`)
})

test('a list that says what the mode says is the mode, and lists are copied with their files', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const printed = await sh(`
    echo x > f; setfacl -m u::rw,g::r,o::- f; stat -c %a f; getfattr -m - f
    setfacl -m g:7:r f; cp -p f g; getfacl -cEn g | grep group:7; getfattr -m - f 2>/dev/null | grep acl
    chmod 2755 f; setpriv --reuid=1001 --regid=1001 --clear-groups setfacl -m u:5:r f 2>/dev/null || echo no`)
  assert.equal(printed, '640\ngroup:7:r--\nsystem.posix_acl_access\nno\n')
  assert.equal((await volume.stat(['f']))?.mode, 0o2755)
})

test('others change a mode, and the list has it as well', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  await sh('echo x > f; setfacl -m u:1001:rwx f')
  await volume.setAttributes(['f'], { mode: 0o600 }, by)
  await nodeClock.sleep(1_100)
  assert.match(await sh('getfacl -cEn f'), /mask::---/)
})

test('whoever lists files that have no attributes asks nobody for them', onKernel, async (t) => {
  const { sh, state, calls } = await mountedVolume(t)
  state.coherence.isTold = true
  await sh('mkdir d; for i in $(seq 20); do echo x > d/$i; done; ls -lR . > /dev/null')
  calls.readXattr = 0
  assert.equal(await sh('ls -lR . > /dev/null; getfattr -dm - d/*; getfacl -R . | grep -c file:'), '22\n')
  assert.equal(calls.readXattr, 0)
  calls.getxattr = 0
  await sh('ls -lR . > /dev/null')
  // Of `security.selinux` ls hears once that there is none here, and the kernel remembers lists.
  assert.ok(calls.getxattr <= 4, String(calls.getxattr))
  assert.match(await sh('getfattr -n security.selinux d/7 2>&1 || true'), /Operation not supported/)
  assert.match(await sh('getfattr -n security.capability d/7 2>&1 || true'), /No such attribute/)
  await sh('setfattr -n user.a -v one d/7')
  assert.match(await sh('getfattr -d d/7'), /user.a="one"/)
})
