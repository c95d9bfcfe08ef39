import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spreadMountOptions } from './mount-options.ts'

test('options of mount(8) become those of shoal mount, and what says when to mount is passed over', () => {
  const args = [
    'docs',
    '/mnt',
    '-s',
    '-o',
    'ro,noexec,_netdev,x-systemd.automount,endpoint=http://h:1/?a=b',
    '-oallow_other',
    '-n',
    '--json',
  ]
  const spread = ['docs', '/mnt', '--read-only', '--no-exec', '--endpoint=http://h:1/?a=b', '--allow-other', '--json']
  assert.deepEqual(spreadMountOptions(args), spread)
  assert.deepEqual(spreadMountOptions(['--options=noxattr,', '--', '-o', 'x']), ['--no-xattrs', '--', '-o', 'x'])
})

test('of two options that say the opposite of each other the later one holds', () => {
  assert.deepEqual(spreadMountOptions(['-o', 'user,noexec,ro,rw,exec']), [])
  assert.deepEqual(spreadMountOptions(['-o', 'rw,exec,noexec,ro']), ['--no-exec', '--read-only'])
})

test('an option that nothing is known of is refused by its name', () => {
  assert.throws(() => spreadMountOptions(['-o', 'ro,allowother']), /"allowother"/)
  assert.throws(() => spreadMountOptions(['-o', 'ro=1']), /"ro=1"/)
})
