import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryFiles } from '#platform/memory-files.ts'
import { HandedFiles } from './handed-files.ts'

test('what lies where files are handed over when a node starts is gone', async () => {
  const files = new MemoryFiles()
  await files.makeFolder('/handed')
  await files.publish('/handed/left', [Buffer.from('x')])
  await HandedFiles.open(files, '/handed')
  assert.deepEqual(await files.list('/handed'), [])
})

test('what was handed over and never asked for is gone a minute later, and what is being read is not', async () => {
  const files = new MemoryFiles()
  const handed = await HandedFiles.open(files, '/handed')
  for (const name of ['left', 'used']) await files.publish(`/handed/${name}`, [Buffer.from('x')])
  const body = handed.body([{ file: 'used', offset: 0, length: 1 }])
  await handed.tidy(1_000)
  await files.publish('/handed/new', [Buffer.from('x')])
  await handed.tidy(60_999)
  assert.deepEqual((await files.list('/handed'))?.toSorted(), ['left', 'new', 'used'])
  await handed.tidy(61_000)
  assert.deepEqual((await files.list('/handed'))?.toSorted(), ['new', 'used'])
  await body.close()
  assert.deepEqual(await files.list('/handed'), ['new'])
})
