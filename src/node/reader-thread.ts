// A reader thread (docs/adr/0016-reader-threads.md): answers S3's requests that only read, beside the thread that has started it.

import { join } from 'node:path'
import { openKeySeal } from '#access/key-seal.ts'
import { findIn } from '#access/keyring.ts'
import { ROOT } from '#access/principal.ts'
import { ForwardOverWire } from '#gateway/http/forward-over-wire.ts'
import { ForwardingDoor } from '#gateway/http/forwarding-door.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import type { HttpServer } from '#gateway/http/server.ts'
import { TlsMaterial } from '#gateway/http/tls-material.ts'
import { CommitSignals } from '#kv/commit-signals.ts'
import { openLmdbFollower } from '#kv/lmdb.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { RelayedLog } from '#observe/relayed-log.ts'
import { openBlockingFile } from '#platform/node-blocking-file.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { threadParent } from '#platform/node-threads.ts'
import { NodeUnixSockets } from '#platform/node-unix-sockets.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import { openContentKeys } from '#volume/content-cipher.ts'
import { WirePeers } from '#wire/peers.ts'
import { assembleS3, assembleServer } from './assemble-servers.ts'
import { ConnectionShares, SheddingDoor } from './connection-shares.ts'
import { FollowedKeys } from './followed-keys.ts'
import { assembleVolumes } from './node-volumes.ts'
import { ReaderDoor } from './reader-door.ts'
import type { FromReader, ReaderStart, ToReader } from './reader-messages.ts'
import { withheldChunks } from './withheld-chunks.ts'

const SHARE_MS = 250

const parent = threadParent()
const start = parent.data as ReaderStart
const ports = { clock: nodeClock, random: nodeRandom, files: nodeFiles }
const post = (message: FromReader): void => parent.post(message)
const log = new RelayedLog((line) => post({ kind: 'log', line }), { thread: start.number })

class Reader {
  readonly #kv: KeyValueStore
  readonly #keys: FollowedKeys
  readonly #server: HttpServer
  readonly #door: SheddingDoor
  readonly #peers: WirePeers
  readonly #metrics: PromMetrics
  readonly #tls: TlsMaterial | undefined
  readonly #stopping = new AbortController()
  #listening = start.number + 1

  static async open(): Promise<Reader> {
    const { dataPath, memory } = start
    const signals = new CommitSignals(memory.signals)
    const kv = await openLmdbFollower({ path: join(dataPath, 'meta'), signals, openFile: openBlockingFile, clock: nodeClock })
    const seal = await openKeySeal(dataPath, ports)
    const keys = new FollowedKeys({ ...ports, kv, seal, log, stamp: new SharedStamp(memory.keysStamp) })
    await keys.read()
    return new Reader(kv, keys, await openContentKeys(dataPath, ports))
  }

  private constructor(kv: KeyValueStore, keys: FollowedKeys, contentKeys: Awaited<ReturnType<typeof openContentKeys>>) {
    const { config, identity, credentials, memory, socketPath, tls } = start
    this.#kv = kv
    this.#keys = keys
    this.#metrics = new PromMetrics({ ofProcess: false })
    this.#tls = tls === undefined ? undefined : new TlsMaterial(tls)
    this.#peers = new WirePeers({ ...ports, connector: new NodeUnixSockets(), identity })
    const own = { ...ports, log, metrics: this.#metrics }
    const volumesStamp = new SharedStamp(memory.volumesStamp)
    const storage = { kv, chunks: withheldChunks, folder: { nodeId: identity.nodeId } }
    const volumes = assembleVolumes(storage, config, { ...own, contentKeys, volumesStamp })
    const findKey = findIn({ ...credentials, principal: ROOT }, keys)
    const door = assembleS3({ config, volumes, keyring: keys, findKey, ports: own })
    const target = new ForwardOverWire(this.#peers, { host: socketPath, port: 0 })
    const forwarding = { decide: () => target, onChange() {} }
    const forward = new ForwardingDoor({ door, forwarding, server: 's3', clock: nodeClock, log })
    this.#door = new SheddingDoor(new ReaderDoor({ door, forward, isCurrent: () => this.#keys.isCurrent }))
    const parts = { config, ports: own, tls: this.#tls }
    this.#server = assembleServer(parts, new HttpMetrics(this.#metrics), [{ prefix: '/', door: this.#door }])
  }

  async run(): Promise<void> {
    parent.onMessage((message) => this.#handle(message as ToReader))
    await this.#server.listen({ ...start.address, shared: 'further' })
    void this.#share()
    post({ kind: 'ready' })
  }

  #handle(message: ToReader): void {
    if (message.kind === 'tls') this.#tls?.replace(message.pair)
    else if (message.kind === 'listening') this.#listening = message.count
    else if (message.kind === 'count') void this.#tellCounts()
    else void this.#stop(message.graceMs)
  }

  async #tellCounts(): Promise<void> {
    post({ kind: 'counted', metrics: await this.#metrics.counted() })
  }

  /** From the outside in, as the node does. */
  async #stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    await this.#server.stop(graceMs)
    await this.#peers.close()
    await this.#kv.close()
    await this.#tellCounts()
    parent.close()
  }

  async #share(): Promise<void> {
    const shares = new ConnectionShares(start.memory.shares)
    for (;;) {
      try {
        await nodeClock.sleep(SHARE_MS, this.#stopping.signal)
      } catch {
        shares.note(start.number, 0, 1)
        return
      }
      this.#door.excess = shares.note(start.number, this.#server.connections, this.#listening)
    }
  }
}

await (await Reader.open()).run()
