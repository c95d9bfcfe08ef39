// A node's metadata in a process of its own, until it is killed: cluster-metadata.child.ts CONFIG NODES, both JSON. While it leads it counts in
// the store, and prints each number that was acknowledged.
import { setTimeout as delay } from 'node:timers/promises'
import type { MetaNode } from './managed-etcd.ts'
import { openMetadataNode } from './metadata-node.suite.ts'
import type { MetadataNodeConfig } from './metadata-node.suite.ts'

const [config = '', nodes = ''] = process.argv.slice(2)
const KEY = Buffer.from('count')
const list = JSON.parse(nodes) as MetaNode[]
const { metadata } = await openMetadataNode(JSON.parse(config) as MetadataNodeConfig, () => list)
const { store, leadership } = metadata
for (;;) {
  try {
    if (leadership.isLeading) {
      const count = await store.transact((tx) => {
        const next = Number(tx.get(KEY)?.toString() ?? 0) + 1
        tx.put(KEY, Buffer.from(String(next)))
        return next
      })
      process.stdout.write(`${count}\n`)
    }
  } catch {
    // Whether it was made shows in the next number.
  }
  await delay(5)
}
