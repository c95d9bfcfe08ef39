import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeFuseMounts } from './node-fuse-mounts.ts'

const OPTIONS = {
  directory: '/tmp',
  source: 'shoal:test',
  subtype: 'shoal',
  allowOther: false,
  defaultPermissions: true,
  readOnly: false,
  readAheadBytes: 128 * 1024,
}

test('where there is no device, the message says how to get one', async () => {
  const mounts = new NodeFuseMounts({ isRoot: true, device: '/dev/shoal-has-no-such-device' })
  await assert.rejects(mounts.mount(OPTIONS), { code: 'UNSUPPORTED', message: /modprobe fuse.*--device/ })
})

test('a device that is another one than FUSE’s is told of with what the system says', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('Only root may try')
  const mounts = new NodeFuseMounts({ isRoot: true, device: '/dev/null' })
  await assert.rejects(mounts.mount(OPTIONS), { message: /Cannot mount at "\/tmp": EINVAL|needs the capability/ })
})

test('users without fusermount3 are told what to install', async () => {
  const path = process.env['PATH']
  process.env['PATH'] = '/nowhere'
  try {
    const mounts = new NodeFuseMounts({ isRoot: false })
    await assert.rejects(mounts.mount(OPTIONS), { code: 'UNSUPPORTED', message: /"fuse3"/ })
  } finally {
    process.env['PATH'] = path
  }
})

test('a directory with nothing mounted on it is free', async () => {
  assert.deepEqual(await new NodeFuseMounts().inspect('/nowhere/at/all'), { state: 'free' })
})
