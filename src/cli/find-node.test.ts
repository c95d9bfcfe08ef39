import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ShoalClient } from '#client/shoal-client.ts'
import type { RemoteNode } from '#client/wire.ts'
import { findNode } from './find-node.ts'

const node = (id: string, host: string) => ({ id, host }) as RemoteNode
const nodes = [node('aaaa11', '10.0.0.1'), node('aaaa22', '10.0.0.2'), node('bbbb33', '10.0.0.2'), node('cccc44', 'rack')]
const client = { cluster: { nodes: async () => nodes } } as unknown as ShoalClient
const find = async (named: string) => (await findNode(client, named)).id

test('a node is named by its id, the beginning of it, or the host that is its alone', async () => {
  for (const [named, id] of [
    ['aaaa11', 'aaaa11'],
    ['BBBB', 'bbbb33'],
    ['10.0.0.1', 'aaaa11'],
    ['rack', 'cccc44'],
  ] as const)
    assert.equal(await find(named), id)
})

test('what means several nodes, none, or too little is refused with what to do', async () => {
  await assert.rejects(find('aaaa'), /ids of 2 nodes begin/)
  await assert.rejects(find('10.0.0.2'), /2 nodes at "10\.0\.0\.2": name the one you mean by its id/)
  await assert.rejects(find('bbb'), /too short/)
  await assert.rejects(find('10.0.0.9'), /nor one at that host/)
})
