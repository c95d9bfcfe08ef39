import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchRecord as record } from './batch-record.suite.ts'
import { restCalls } from './rest-calls.suite.ts'

const { call, get } = restCalls()

test('records of a batch have conditions, remove what they name, set attributes, and are answered with the entry', async () => {
  const send = async (headers: readonly object[]) => {
    const body = Buffer.concat(headers.map((header) => record(header, '')))
    const { text } = await call('POST', '/api/v1/volumes/docs/batch/cond', { body })
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { status: number; code?: string; entry?: { inode: number; etag: string; mode: string } })
  }
  const file = { path: 'f', size: 0, mode: '0640', ifNoneMatch: '*', entry: true }
  const [lost] = await send([{ ...file, parents: false }])
  assert.equal(lost?.code, 'NOT_FOUND')
  const [made] = await send([file])
  assert.deepEqual([made?.status, made?.entry?.mode], [201, '0640'])
  const { inode = 0, etag = '' } = made?.entry ?? {}
  const answers = await send([
    file,
    { path: 'f', size: 0, ifMatch: '"0-0"' },
    { path: 'f', size: 0, ifMatch: etag },
    { path: 'f', type: 'removal', inode: inode + 1000 },
  ])
  assert.deepEqual(
    answers.map(({ status, code }) => code ?? status),
    ['PRECONDITION_FAILED', 'PRECONDITION_FAILED', 200, 'PRECONDITION_FAILED'],
  )
  const [set, none, lacking] = await send([
    { path: 'f', type: 'attributes', mode: '0600', entry: true },
    { path: 'f', type: 'attributes' },
    { path: 'g', type: 'attributes', mode: '0600' },
  ])
  assert.deepEqual([set?.status, set?.entry?.mode, set?.entry?.inode], [200, '0600', inode])
  assert.deepEqual([none?.code, lacking?.code], ['INVALID_ARGUMENT', 'NOT_FOUND'])
  const removed = await send([{ path: 'f', type: 'removal', inode }])
  assert.deepEqual(removed, [{ status: 204 }])
  assert.equal((await send([{ path: 'f', type: 'removal', inode }]))[0]?.code, 'NOT_FOUND')
})

test('a batch of a thousand records keeps their order', async () => {
  const records = Array.from({ length: 1000 }, (_, index) =>
    record({ path: `many/${index}`, size: 4 }, String(index).padStart(4, '0')),
  )
  const answer = await call('POST', '/api/v1/volumes/docs/batch/', { body: Buffer.concat(records) })
  assert.equal(answer.text.trim().split('\n').length, 1000)
  assert.equal((await get('many/777')).text, '0777')
})
