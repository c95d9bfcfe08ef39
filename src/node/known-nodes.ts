import { join } from 'node:path'
import { identityFolder } from '#cluster/identity-file.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { SocketAddress } from '#platform/sockets.ts'

export interface KnownNode extends SocketAddress {
  readonly id: NodeId
}

/** What a node remembers of its cluster, so that it finds it again: `cluster/nodes.json` of docs/formats/data-folder.md. */
export interface KnownNodesRecord {
  readonly clusterId: string
  /** The node that founded the cluster. */
  readonly home: NodeId
  /** Others, where they were last reached. */
  readonly nodes: readonly KnownNode[]
  /** Ids that were taken away for good. */
  readonly removed: readonly NodeId[]
}

const FILE = 'nodes.json'
/** As many as gossip keeps, and four times as many removed ones. */
const NODES_MAX = 1_000
const REMOVED_MAX = 4_096

/** The nodes of the cluster as they are kept in the data folder. Changes come one after another, each durable before the next. */
export class KnownNodes {
  readonly #dataPath: string
  readonly #files: Files
  #record: KnownNodesRecord
  #removed: ReadonlySet<NodeId>
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(dataPath: string, record: KnownNodesRecord, files: Files) {
    this.#dataPath = dataPath
    this.#files = files
    this.#record = record
    this.#removed = new Set(record.removed)
  }

  /** Those of cluster `clusterId`. A folder without any is that of the node that founded it.
   *  @throws DATA_FORMAT for a damaged file; NO_SPACE, STORAGE_FAILED */
  static async open(folder: { path: string; clusterId: string; nodeId: NodeId }, files: Files): Promise<KnownNodes> {
    const { path, clusterId, nodeId } = folder
    const kept = await readKnownNodes(path, files)
    // What a join that was cut off has left is of another cluster, and counts for nothing.
    if (kept?.clusterId === clusterId) return new KnownNodes(path, kept, files)
    const record = { clusterId, home: nodeId, nodes: [], removed: [] }
    await publishKnownNodes(path, record, files)
    return new KnownNodes(path, record, files)
  }

  get home(): NodeId {
    return this.#record.home
  }

  get nodes(): readonly KnownNode[] {
    return this.#record.nodes
  }

  get removed(): ReadonlySet<NodeId> {
    return this.#removed
  }

  find(id: NodeId): KnownNode | undefined {
    return this.#record.nodes.find((node) => node.id === id)
  }

  /** Keeps where a node was reached. Those beyond the limit are not kept: gossip tells of them. @throws NO_SPACE, STORAGE_FAILED */
  put({ id, host, port }: KnownNode): Promise<void> {
    return this.#change((record) => {
      const others = record.nodes.filter((node) => node.id !== id)
      if (record.removed.includes(id) || others.length >= NODES_MAX) return record
      return { ...record, nodes: [...others, { id, host, port }].toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
    })
  }

  /** Nobody remembers it any more. @throws NO_SPACE, STORAGE_FAILED */
  forget(id: NodeId): Promise<void> {
    return this.#change((record) => ({ ...record, nodes: record.nodes.filter((node) => node.id !== id) }))
  }

  /** Takes the id away for good. Repeating it is harmless. @throws TOO_LARGE, NO_SPACE, STORAGE_FAILED */
  remove(id: NodeId): Promise<void> {
    return this.#change((record) => {
      if (record.removed.includes(id)) return record
      if (record.removed.length >= REMOVED_MAX)
        throw new ShoalError('TOO_LARGE', `${REMOVED_MAX} nodes were removed from this cluster, and no more can be`)
      return { ...record, nodes: record.nodes.filter((node) => node.id !== id), removed: [...record.removed, id].toSorted() }
    })
  }

  #change(change: (record: KnownNodesRecord) => KnownNodesRecord): Promise<void> {
    const done = this.#turn.then(async () => {
      const changed = change(this.#record)
      if (JSON.stringify(changed) === JSON.stringify(this.#record)) return
      await publishKnownNodes(this.#dataPath, changed, this.#files)
      this.#record = changed
      this.#removed = new Set(changed.removed)
    })
    this.#turn = done.catch(() => undefined)
    return done
  }
}

/** @throws NO_SPACE, STORAGE_FAILED */
export async function publishKnownNodes(dataPath: string, record: KnownNodesRecord, files: Files): Promise<void> {
  const path = knownNodesPath(dataPath)
  const { clusterId, home, nodes, removed } = record
  const text = `${JSON.stringify({ format: 1, clusterId, home, nodes, removed }, undefined, 2)}\n`
  try {
    await files.makeFolder(identityFolder(dataPath), 0o700)
    await files.publish(path, [Buffer.from(text)], { mode: 0o600 })
  } catch (cause) {
    throw storageError(cause, `keep the nodes of the cluster in "${path}"`)
  }
}

/** `undefined` if there are none yet. @throws DATA_FORMAT, STORAGE_FAILED */
export async function readKnownNodes(dataPath: string, files: Pick<Files, 'read'>): Promise<KnownNodesRecord | undefined> {
  const path = knownNodesPath(dataPath)
  const bytes = await files.read(path).catch((cause: unknown) => {
    throw storageError(cause, `read "${path}"`)
  })
  if (bytes === undefined) return undefined
  const record = decode(bytes)
  if (record !== undefined) return record
  throw new ShoalError('DATA_FORMAT', `"${path}" is damaged. Restore it from a backup, or let the node join anew`)
}

function decode(bytes: Buffer): KnownNodesRecord | undefined {
  try {
    const value = JSON.parse(bytes.toString('utf8')) as Partial<Record<keyof KnownNodesRecord | 'format', unknown>>
    const { format, clusterId, home, nodes, removed } = value
    const isRight =
      format === 1 && isId(clusterId) && isId(home) && Array.isArray(nodes) && Array.isArray(removed) && removed.every(isId)
    if (!isRight || !nodes.every(isKnownNode)) return undefined
    return { clusterId, home: home as NodeId, removed, nodes: nodes.map(({ id, host, port }) => ({ id, host, port })) }
  } catch {
    return undefined
  }
}

function knownNodesPath(dataPath: string): string {
  return join(identityFolder(dataPath), FILE)
}

function isKnownNode(value: unknown): value is KnownNode {
  const { id, host, port } = (value ?? {}) as Partial<Record<keyof KnownNode, unknown>>
  return isId(id) && typeof host === 'string' && host !== '' && Number.isSafeInteger(port)
}

function isId(value: unknown): value is NodeId {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}
