import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT } from '#access/principal.ts'
import { isOwnView } from './own-view.ts'

const authenticator = { verify: (text: string | undefined) => (text === 'known' ? ROOT : undefined) }
const here = (method: string, target: string, authorization?: string) => {
  const [path = '', query = ''] = target.split('?')
  return isOwnView({ method, path, query, headers: authorization === undefined ? {} : { authorization } }, authenticator)
}

test('a node answers for its own health, figures and view of the cluster, makes tokens that it takes, removes what is lost, and does nothing else that changes or is kept', () => {
  assert.ok(here('POST', '/api/v1/cluster/tokens', 'known'))
  for (const lost of ['lost', 'lost=true', 'x&lost']) assert.ok(here('POST', `/api/v1/nodes/abc/remove?${lost}`, 'known'), lost)
  for (const path of ['/healthz', '/readyz', '/metrics', '/api/v1/openapi.json']) assert.ok(here('GET', path), path)
  for (const path of ['/api/v1/status', '/api/v1/nodes', '/api/v1/nodes/abc']) assert.ok(here('GET', path, 'known'), path)
  for (const [method, path] of [
    ['POST', '/api/v1/nodes/abc/remove'],
    ['POST', '/api/v1/nodes/abc/remove?almost'],
    ['POST', '/api/v1/nodes/abc/drain?lost'],
    ['GET', '/api/v1/cluster/tokens'],
    ['POST', '/api/v1/cluster/rotate-key'],
    ['GET', '/api/v1/volumes'],
    ['GET', '/api/v1/keys'],
    ['GET', '/dav/docs/'],
    ['GET', '/'],
  ] as const)
    assert.ok(!here(method, path, 'known'), path)
})

test('a key that is only known where the volumes are is looked at there', () => {
  for (const path of ['/api/v1/status', '/api/v1/nodes']) {
    assert.ok(!here('GET', path, 'another'))
    assert.ok(!here('GET', path))
  }
})
