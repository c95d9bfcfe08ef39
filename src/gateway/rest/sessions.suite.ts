// What a mount does with a session and its locks. Only tests import it.
import assert from 'node:assert/strict'
import type { RestCalls } from './rest-calls.suite.ts'

export async function seeSessions({ call, put }: Pick<RestCalls, 'call' | 'put'>): Promise<void> {
  const { inode, etag } = (await put('locked', 'x')).json as { inode: number; etag: string }
  const sessions = '/api/v1/volumes/docs/sessions'
  const begun = async () => (await call('POST', sessions, { body: JSON.stringify({ mount: 'ab'.repeat(16) }) })).json['session']
  const [one, other] = [`${sessions}/${await begun()}`, `${sessions}/${await begun()}`]
  const asked = { inode, family: 'posix', owner: 'c'.repeat(16), kind: 'write', start: '0', end: '9223372036854775807' }
  const lock = (at: string, more: object = {}) =>
    call('POST', `${at}/locks`, { body: JSON.stringify({ ...asked, pid: 7, ...more }) })
  const done = await lock(one)
  assert.deepEqual([done.json['state'], done.json['etag']], ['done', etag])
  const by = { kind: 'write', start: '0', end: asked.end, pid: 7, isOwnSession: false }
  assert.deepEqual((await lock(other)).json, { state: 'held', by })
  assert.deepEqual((await lock(other, { ticket: '1', waitMs: 0 })).json, { state: 'waiting' })
  const query = new URLSearchParams({ ...asked, inode: String(inode) }).toString()
  assert.deepEqual((await call('GET', `${other}/locks?${query}`)).json, { lock: by })
  const cancel = { body: JSON.stringify({ ...asked, ticket: '1' }) }
  assert.deepEqual((await call('POST', `${other}/locks/cancel`, cancel)).json, { isHeld: false })
  assert.equal((await call('PUT', one)).status, 204)
  for (const wrong of [
    { start: '9', end: '8' },
    { end: '9223372036854775808' },
    { owner: 'c' },
    { waitMs: 60_000 },
    { start: 1 },
  ])
    assert.equal((await lock(one, wrong)).status, 400, JSON.stringify(wrong))
  assert.equal((await call('DELETE', one)).status, 204)
  assert.equal((await call('PUT', one)).json['code'], 'PRECONDITION_FAILED')
  assert.equal((await call('PUT', `${sessions}/none`)).status, 412)
  assert.equal((await lock(other)).json['state'], 'done')
  assert.equal((await lock(other, { kind: 'unlock' })).json['state'], 'done')
}
