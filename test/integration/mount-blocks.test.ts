// What `du` says of files in a mount: holes take no room, what is set aside does.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, type NodeProcess, startNodeProcess } from '../support/node-process.ts'

const onKernel = { skip: noMounts, timeout: 120_000 }
const folder = mkdtempSync(join(tmpdir(), 'shoal-blocks-'))
let node: NodeProcess

before(async () => {
  if (noMounts !== false) return
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
})

after(async () => {
  if (noMounts !== false) return
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function mountAt(t: TestContext, volume: string, mode: string): Promise<MountedNode> {
  const state = mkdtempSync(join(folder, 'state-'))
  const mounted = new MountedNode({ endpoint: node.origin, volume, state, flags: ['--write-mode', mode] })
  t.after(() => mounted.remove())
  await mounted.mount()
  return mounted
}

/** Lines of what is done, a file each, and the length and the blocks of 512 bytes that it is to have. */
const FILES = [
  ['dense', 'head -c 3M /dev/urandom > dense', '3145728 6144'],
  ['small', 'printf twelve-bytes > small', '12 1'],
  ['sparse', 'truncate -s 100M sparse; printf x | dd of=sparse bs=1 seek=50M conv=notrunc status=none', '104857600 1'],
  ['grown', 'printf x > grown; truncate -s 1T grown', '1099511627776 1'],
  ['punched', 'head -c 8M /dev/urandom > punched; fallocate -p -o 2M -l 3M punched', '8388608 10240'],
  [
    'zeroed',
    'head -c 8M /dev/urandom > zeroed; fallocate -p -o 2M -l 3M zeroed; fallocate -z -o 3M -l 1M zeroed',
    '8388608 12288',
  ],
  ['allocated', 'fallocate -l 20M allocated', '20971520 40960'],
  ['kept', 'touch kept; fallocate -n -l 20M kept', '0 40960'],
  ['filled', 'touch filled; fallocate -n -l 20M filled; head -c 1M /dev/urandom >> filled', '1048576 40960'],
  [
    'inside',
    'fallocate -l 20M inside; head -c 1M /dev/urandom | dd of=inside bs=1M seek=3 conv=notrunc status=none',
    '20971520 40960',
  ],
  ['cut', 'touch cut; fallocate -n -l 20M cut; head -c 2M /dev/urandom >> cut; truncate -s 1M cut', '1048576 2048'],
] as const

for (const mode of ['back', 'through']) {
  test(
    `blocks are what is stored and what is set aside, when written, stored and mounted again (${mode})`,
    onKernel,
    async (t) => {
      const volume = `blocks-${mode}`
      const client = connect(node.origin)
      await client.createVolume(volume)
      await client.close()
      const mounted = await mountAt(t, volume, mode)
      const names = FILES.map(([name]) => name).join(' ')
      const expected = FILES.map(([name, , shown]) => `${name} ${shown}\n`).join('')
      const show = `for f in ${names}; do stat -c '%n %s %b' $f; done`
      assert.equal(await mounted.sh(`${FILES.map(([, script]) => script).join('\n')}\n${show}`), expected)
      assert.equal(await mounted.sh(`sync ${names}; ${show}`), expected)
      assert.equal(await mounted.sh(`du --block-size=512 -c dense punched | cut -f 1 | tail -1`), `${6144 + 10_240}\n`)
      await mounted.unmount()
      await mounted.mount()
      assert.equal(await mounted.sh(show), expected)
      // What is written over, or into what was set aside, takes no more than that.
      const more = `head -c 1M /dev/urandom | dd of=allocated bs=1M seek=4 conv=notrunc status=none; printf y > small; printf z >> dense`
      assert.equal(
        await mounted.sh(`${more}; stat -c '%n %s %b' allocated small dense`),
        'allocated 20971520 40960\nsmall 1 1\ndense 3145729 6145\n',
      )
      await mounted.unmount()
    },
  )
}

test('a hole that is filled counts, and one that another machine punches shows', onKernel, async (t) => {
  const client = connect(node.origin)
  await client.createVolume('blocks-two')
  await client.close()
  const [one, other] = [await mountAt(t, 'blocks-two', 'back'), await mountAt(t, 'blocks-two', 'back')]
  await one.sh('truncate -s 8M f; head -c 1M /dev/urandom | dd of=f bs=1M seek=2 conv=notrunc status=none; sync f')
  assert.equal(await one.sh('stat -c %b f'), '2048\n')
  await one.sh('head -c 1M /dev/urandom | dd of=f bs=1M seek=6 conv=notrunc status=none')
  assert.equal(await one.sh('stat -c %b f; sync f; stat -c %b f'), '4096\n4096\n')
  // Nobody has looked before it is stored whether that was a hole.
  await one.sh('head -c 1M /dev/urandom | dd of=f bs=1M seek=6 conv=notrunc status=none; stat f > /dev/null; sync f')
  const becomes = (script: string) => `for i in $(seq 500); do if ${script}; then exit 0; fi; sleep 0.02; done; stat f; exit 1`
  await one.sh(becomes('[ "$(stat -c %b f)" = 4096 ]'))
  await other.sh(becomes('[ "$(stat -c %b f)" = 4096 ]'))
  await other.sh('fallocate -p -o 2M -l 1M f')
  await one.sh(becomes('[ "$(stat -c %b f)" = 2048 ]'))
})
