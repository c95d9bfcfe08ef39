// A Merkle tree over all entries of a node (Merkle 1987; for replicas: DeCandia and others, "Dynamo", 2007, 4.7). Places are spread over
// it by their hash, sixteen children a node. A node's digest is the sum, by exclusive or, of its rows' digests: so a write changes the sums
// above it without looking at its neighbours. The sums of every second level are kept, in the transaction of the write.

import { hash } from 'node:crypto'
import type { Snapshot, Transaction } from '#kv/store.ts'
import type { EntryState } from './entry.ts'
import { digestKey, digestRange, indexKey, type Place, readIndexRow } from './keys.ts'

export const DIGEST_BYTES = 8
export const ZERO_DIGEST = Buffer.alloc(DIGEST_BYTES)
/** 65,536 leaves: sixteen rows in each for a million entries. */
export const DEFAULT_DEPTH = 4

/** What is compared of an entry: which versions are there. Of two nodes with the same versions, one may know of more that was dropped:
 *  who still has that shows another digest. */
export function digestOfState(placeHash: Buffer, { versions }: EntryState): Buffer {
  if (versions.length === 0) return ZERO_DIGEST
  const text = versions.map(({ time, node }) => `${time}-${node}`).join(' ')
  return hash('sha256', Buffer.concat([placeHash, Buffer.from(text, 'latin1')]), 'buffer').subarray(0, DIGEST_BYTES)
}

export function xorInto(sum: Buffer, digest: Buffer): void {
  for (let at = 0; at < DIGEST_BYTES; at += 1) sum[at] = (sum[at] as number) ^ (digest[at] as number)
}

export interface IndexedRow {
  readonly placeHash: Buffer
  readonly digest: Buffer
  readonly place: Place
}

export class DigestTree {
  /** Nibbles from the root to a leaf: 2 or 4, the same on all nodes of a cluster. */
  readonly depth: number

  constructor(depth: number = DEFAULT_DEPTH) {
    this.depth = depth
  }

  /** A row's digest has changed. */
  replace(transaction: Transaction, placeHash: Buffer, { before, after }: { before: Buffer; after: Buffer }): void {
    const change = Buffer.from(before)
    xorInto(change, after)
    if (change.equals(ZERO_DIGEST)) return
    const path = placeHash.toString('hex')
    for (let depth = 2; depth <= this.depth; depth += 2) {
      const key = digestKey(path.slice(0, depth))
      const sum = transaction.get(key) ?? Buffer.alloc(DIGEST_BYTES)
      xorInto(sum, change)
      if (sum.equals(ZERO_DIGEST)) transaction.delete(key)
      else transaction.put(key, sum)
    }
  }

  root(snapshot: Snapshot): Buffer {
    return this.#sum(snapshot, '')
  }

  /** The digests of the sixteen children of the node at `path`. */
  children(snapshot: Snapshot, path: string): Buffer[] {
    const children = Array.from({ length: 16 }, () => Buffer.alloc(DIGEST_BYTES))
    for (const { nibbles, sum } of this.#kept(snapshot, path))
      xorInto(children[Number.parseInt(nibbles[path.length] as string, 16)] as Buffer, sum)
    return children
  }

  isLeaf(path: string): boolean {
    return path.length >= this.depth
  }

  /** The rows below `path`, in the order of their hashes, behind `after`. */
  *rows(snapshot: Snapshot, path: string, after: Buffer | undefined): Generator<IndexedRow> {
    const first = Buffer.from(path.padEnd(32, '0'), 'hex')
    const start = after === undefined ? indexKey(first) : Buffer.concat([indexKey(after), Buffer.of(0)])
    for (const { key, value } of snapshot.range({ start, end: endOf(path) })) yield readIndexRow(key, value)
  }

  #sum(snapshot: Snapshot, path: string): Buffer {
    const total = Buffer.alloc(DIGEST_BYTES)
    for (const { sum } of this.#kept(snapshot, path)) xorInto(total, sum)
    return total
  }

  *#kept(snapshot: Snapshot, path: string): Generator<{ nibbles: string; sum: Buffer }> {
    const depth = path.length < 2 ? 2 : 4
    for (const { key, value } of snapshot.range(digestRange(depth, path)))
      yield { nibbles: key.toString('latin1', 3), sum: value }
  }
}

/** Where the index rows below `path` end. */
function endOf(path: string): Buffer {
  return indexKey(Buffer.concat([Buffer.from(path.padEnd(32, 'f'), 'hex'), Buffer.of(0)]))
}
