import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findMount, parseMountTable } from './mount-table.ts'

const TABLE = `22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
39 28 0:39 / /mnt/a\\040b rw,nosuid shared:5 - fuse.shoal shoal:do\\134cs rw,user_id=0
40 28 0:40 / /mnt/x rw - ext4 /dev/vda rw
41 40 0:41 / /mnt/x rw - fuse.shoal shoal:top rw
nonsense
`

test('rows of the mount table are read, with their escapes, and optional fields passed over', () => {
  const rows = parseMountTable(TABLE)
  assert.equal(rows.length, 4)
  assert.deepEqual(findMount(rows, '/mnt/a b'), {
    device: '0:39',
    directory: '/mnt/a b',
    type: 'fuse.shoal',
    source: 'shoal:do\\cs',
  })
})

test('of what is mounted on top of each other the last one counts', () => {
  assert.equal(findMount(parseMountTable(TABLE), '/mnt/x')?.source, 'shoal:top')
  assert.equal(findMount(parseMountTable(TABLE), '/mnt'), undefined)
})
