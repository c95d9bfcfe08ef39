import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { RestFiles } from '../crash/rest-files.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { batchRows } from './bad-input/batches.ts'
import { framingRows } from './bad-input/framing.ts'
import { pathRows } from './bad-input/paths.ts'
import { MAX_BODY_BYTES, TIGHT_VOLUME, TIMEOUT_MS, VOLUME } from './bad-input/row.ts'
import type { Ground, Row } from './bad-input/row.ts'
import { valueRows } from './bad-input/values.ts'
import { exchange } from './raw-http.ts'

const FEWEST_ROWS = 300

let data: string
let port: number
let node: NodeProcess
let rest: RestFiles

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-bad-input-'))
  port = await freePort()
  const environment = {
    SHOAL_LIMITS_REQUEST_TIMEOUT_MS: `${TIMEOUT_MS}ms`,
    SHOAL_LIMITS_IDLE_BODY_TIMEOUT_MS: `${TIMEOUT_MS}ms`,
    SHOAL_LIMITS_MAX_BODY_BYTES: String(MAX_BODY_BYTES),
  }
  node = await startNodeProcess({ data, port, environment })
  rest = new RestFiles(node.origin)
})
after(async () => {
  await rest.close()
  assert.equal(await node.stop(), 0, node.log())
  await rm(data, { recursive: true, force: true })
})

async function makeGround(): Promise<Ground> {
  const at = (path: string) => `/volumes/${VOLUME}/${path}`
  await rest.expect('PUT', `/volumes/${VOLUME}`, {})
  await rest.expect('PUT', at('files/a'), Buffer.from('hello'))
  await rest.expect('PUT', at('files/large'), randomBytes(300_000))
  await rest.expect('PUT', at('files/dir/sub/empty'))
  await rest.expect('PUT', at('files/dir/b'), Buffer.from('b'))
  await rest.expect('POST', at('entries/empty'), { op: 'mkdir' })
  await rest.expect('POST', at('entries/circle-1'), { op: 'symlink', target: 'circle-2' })
  await rest.expect('POST', at('entries/circle-2'), { op: 'symlink', target: 'circle-1' })
  await rest.expect('POST', at('entries/dangling'), { op: 'symlink', target: 'none' })
  await rest.expect('PUT', `/volumes/${TIGHT_VOLUME}`, { quotaBytes: 10, quotaFiles: 2 })
  await rest.expect('PUT', `/volumes/${TIGHT_VOLUME}/files/a`, Buffer.from('abc'))
  await rest.expect('PUT', `/volumes/${TIGHT_VOLUME}/files/b`, Buffer.from('de'))
  const { id } = JSON.parse((await rest.expect('POST', at('uploads'), { path: 'new-upload' })).toString()) as { id: string }
  for (const number of [1, 3]) await rest.expect('PUT', at(`uploads/${id}/parts/${number}`), Buffer.from(`part ${number}`))
  return { uploadId: id }
}

/** All that can be seen of what the node keeps: any change, even one that was undone, moves the cursor of changes. */
async function state({ uploadId }: Ground): Promise<string> {
  const paths = [
    '/volumes',
    `/volumes/${VOLUME}/entries/?recursive=true`,
    `/volumes/${VOLUME}/attributes/a?xattrs`,
    `/volumes/${VOLUME}/uploads/${uploadId}`,
    `/volumes/${VOLUME}/uploads`,
    `/volumes/${TIGHT_VOLUME}/entries/?recursive=true`,
  ]
  const answers = await Promise.all(paths.map((path) => rest.expect('GET', path)))
  const status = JSON.parse((await rest.expect('GET', '/status')).toString()) as { state: string; changes: { cursor: string } }
  assert.equal(status.state, 'serving')
  const listed = answers.map((answer) => JSON.parse(answer.toString()) as unknown)
  return JSON.stringify([...listed, status.changes.cursor], undefined, 1)
}

function codeOf(body: Buffer): string | undefined {
  try {
    return (JSON.parse(body.toString()) as { code?: string }).code
  } catch {
    return undefined
  }
}

async function check(row: Row): Promise<void> {
  const answers = await exchange(port, row.wire, { halfClose: row.halfClose ?? false })
  const seen = answers.map(({ status, body }) => [status, codeOf(body)])
  if (row.lines === undefined) {
    assert.deepEqual(seen, [[row.status, row.code]])
    const isProblem = answers[0]?.headers.get('content-type') === 'application/problem+json'
    assert.equal(isProblem, row.code !== undefined)
  } else {
    assert.equal(answers.length, 1)
    assert.equal(answers[0]?.status, row.status)
    const lines = answers[0]?.body.toString().trimEnd().split('\n') ?? []
    assert.deepEqual(
      lines.map((line) => codeOf(Buffer.from(line))),
      row.lines,
    )
  }
}

test('bad input has its status and its code, changes nothing, and the node goes on', async (t) => {
  const ground = await makeGround()
  let expected = await state(ground)
  const rows = [...pathRows, ...framingRows, ...valueRows(ground), ...batchRows]
  assert.ok(rows.length >= FEWEST_ROWS, `only ${rows.length} rows`)
  const names = rows.map(({ name }) => name)
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
    'two rows have one name',
  )
  for (const row of rows) {
    await t.test(row.name, async () => {
      const found = expected
      await check(row)
      expected = await state(ground)
      assert.equal(expected, found)
    })
  }
  assert.equal(node.child.exitCode, null, node.log())
  assert.doesNotMatch(node.log(), /unexpectedly/)
  assert.equal((await rest.expect('GET', `/volumes/${VOLUME}/files/a`)).toString(), 'hello')
})
