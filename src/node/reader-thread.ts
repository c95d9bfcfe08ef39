// A reader thread (docs/adr/0016-reader-threads.md): answers requests that only read, beside the thread that has started it.

import { join } from 'node:path'
import { openKeySeal } from '#access/key-seal.ts'
import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import { findIn } from '#access/keyring.ts'
import { ROOT } from '#access/principal.ts'
import { ChunkFollower } from '#chunk/chunk-follower.ts'
import { READ_BYTES_METRIC } from '#chunk/disk-metrics.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { ForwardOverWire } from '#gateway/http/forward-over-wire.ts'
import { ForwardingDoor } from '#gateway/http/forwarding-door.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import type { DoorPlace, HttpServer } from '#gateway/http/server.ts'
import { TlsMaterial } from '#gateway/http/tls-material.ts'
import { CommitSignals } from '#kv/commit-signals.ts'
import { openLmdbFollower } from '#kv/lmdb.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { RelayedLog } from '#observe/relayed-log.ts'
import { openBlockingFile } from '#platform/node-blocking-file.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { threadDigests } from '#platform/node-digests.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { threadParent } from '#platform/node-threads.ts'
import { NodeUnixSockets } from '#platform/node-unix-sockets.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import { openContentKeys } from '#volume/content-cipher.ts'
import type { ContentKeys } from '#volume/content-cipher.ts'
import { READ_BUFFER_BYTES } from '#volume/content-reader.ts'
import { ReadBuffers } from '#volume/read-buffers.ts'
import { SharedPins } from '#volume/shared-pins.ts'
import { WirePeers } from '#wire/peers.ts'
import { assembleRest, assembleS3, assembleServer } from './assemble-servers.ts'
import { assembleWebdav } from './assemble-webdav.ts'
import { ConnectionShares, noTraffic, SheddingDoor } from './connection-shares.ts'
import type { Traffic } from './connection-shares.ts'
import { FollowedKeys } from './followed-keys.ts'
import { assembleVolumes } from './node-volumes.ts'
import { ReaderDoor } from './reader-door.ts'
import type { ReaderDoorOptions } from './reader-door.ts'
import { SERVERS } from './reader-messages.ts'
import type { FromReader, ReaderStart, ServerName, ToReader } from './reader-messages.ts'
import { withheldChunks } from './withheld-chunks.ts'
import { isFileView, withheldServices } from './withheld-services.ts'
import { S3Requests } from './s3-requests.ts'
import { WriterQuestions } from './writer-questions.ts'

const SHARE_MS = 250
/** What was removed takes room for so long at most. */
const LET_GO_MS = 2_000

const parent = threadParent()
const start = parent.data as ReaderStart
const ports = { clock: nodeClock, random: nodeRandom, files: nodeFiles }
const post = (message: FromReader): void => parent.post(message)
const log = new RelayedLog((line) => post({ kind: 'log', line }), { thread: start.number })

interface Opened {
  readonly kv: KeyValueStore
  readonly keys: FollowedKeys
  readonly authenticator: BasicAuthenticator
  readonly contentKeys: ContentKeys
  readonly metrics: PromMetrics
}

/** One of the servers, with what makes it share connections. */
interface Shared {
  readonly server: HttpServer
  readonly traffic: Traffic
  readonly shares: ConnectionShares
}

class Reader {
  readonly #opened: Opened
  readonly #servers: Readonly<Record<ServerName, Shared>>
  readonly #peers: WirePeers
  readonly #tls: TlsMaterial | undefined
  readonly #questions = new WriterQuestions(post)
  readonly #chunks: ChunkFollower
  readonly #readBuffers: ReadBuffers
  readonly #stopping = new AbortController()
  #listening = start.number + 1

  static async open(): Promise<Reader> {
    const { dataPath, memory, credentials } = start
    const signals = new CommitSignals(memory.signals)
    const kv = await openLmdbFollower({ path: join(dataPath, 'meta'), signals, openFile: openBlockingFile, clock: nodeClock })
    const seal = await openKeySeal(dataPath, ports)
    const metrics = new PromMetrics({ ofProcess: false })
    const stamp = new SharedStamp(memory.keysStamp)
    const keys: FollowedKeys = new FollowedKeys({ ...ports, kv, seal, log, stamp, changed: () => authenticator.forget() })
    const find = findIn({ ...credentials, principal: ROOT }, keys)
    const authenticator = new BasicAuthenticator({ find, clock: nodeClock, metrics })
    await keys.read()
    return new Reader({ kv, keys, authenticator, metrics, contentKeys: await openContentKeys(dataPath, ports) })
  }

  private constructor(opened: Opened) {
    const { dataPath, identity, tls } = start
    const { metrics } = opened
    this.#opened = opened
    this.#tls = tls === undefined ? undefined : new TlsMaterial(tls)
    this.#peers = new WirePeers({ ...ports, connector: new NodeUnixSockets(), identity })
    this.#readBuffers = new ReadBuffers(threadDigests, { sizeBytes: READ_BUFFER_BYTES, keptMax: start.readBuffersKept })
    this.#chunks = new ChunkFollower({
      path: join(dataPath, 'chunks'),
      files: nodeFiles,
      digests: threadDigests,
      placeOf: this.#questions.placeOf,
      readBytes: metrics.counter(READ_BYTES_METRIC),
    })
    this.#servers = this.#assemble()
  }

  #assemble(): Readonly<Record<ServerName, Shared>> {
    const { config, memory, identity } = start
    const { kv, keys, authenticator, contentKeys, metrics } = this.#opened
    const own = { ...ports, log, metrics }
    const storage = { kv, chunks: withheldChunks(this.#chunks), folder: { nodeId: identity.nodeId } }
    const volumes = assembleVolumes(storage, config, {
      ...own,
      contentKeys,
      volumesStamp: new SharedStamp(memory.volumesStamp),
      pins: new SharedPins(memory.pins),
      readBuffers: this.#readBuffers,
      settle: this.#questions.settle,
    })
    const httpMetrics = new HttpMetrics(metrics)
    const findKey = findIn({ ...start.credentials, principal: ROOT }, keys)
    const s3Requests = new S3Requests(config.s3.domains)
    const s3 = {
      prefix: '/',
      door: assembleS3({ config, volumes, keyring: keys, findKey, ports: own }),
      // The list has eventual volumes too.
      mayTry: (exchange: Exchange) => !s3Requests.isListing(exchange),
    }
    const parts = { config, volumes, authenticator, ports: own }
    const rest = { prefix: '/', door: assembleRest({ ...parts, ...withheldServices() }, httpMetrics) }
    const base = [...assembleWebdav(parts), rest].map((place) => ({ ...place, mayTry: isFileView }))
    return {
      s3: this.#assembleServer('s3', [s3], httpMetrics),
      base: this.#assembleServer('base', base, httpMetrics),
    }
  }

  #assembleServer(
    name: ServerName,
    places: readonly (DoorPlace & Pick<ReaderDoorOptions, 'mayTry'>)[],
    metrics: HttpMetrics,
  ): Shared {
    const { config, socketPath, memory } = start
    const target = new ForwardOverWire(this.#peers, { host: socketPath, port: 0 })
    const forwarding = { decide: () => target, onChange() {} }
    const traffic = noTraffic()
    const isCurrent = (): boolean => this.#opened.keys.isCurrent
    const doors = places.map(({ door, mayTry, ...place }) => {
      const forward = new ForwardingDoor({ door, forwarding, server: name, clock: nodeClock, log })
      const options = { door, forward, isCurrent, ...(mayTry === undefined ? {} : { mayTry }) }
      return { ...place, door: new SheddingDoor(new ReaderDoor(options), traffic) }
    })
    const parts = { config, ports: { ...ports, log, metrics: this.#opened.metrics }, tls: this.#tls }
    return { server: assembleServer(parts, metrics, doors), traffic, shares: new ConnectionShares(memory.shares[name]) }
  }

  async run(): Promise<void> {
    parent.onMessage((message) => this.#handle(message as ToReader))
    for (const name of SERVERS) await this.#servers[name].server.listen({ ...start.addresses[name], shared: 'further' })
    void this.#share()
    void this.#letGo()
    post({ kind: 'ready' })
  }

  #handle(message: ToReader): void {
    if (message.kind === 'tls') this.#tls?.replace(message.pair)
    else if (message.kind === 'listening') this.#listening = message.count
    else if (message.kind === 'count') void this.#tellCounts()
    else if (message.kind === 'stop') void this.#stop(message.graceMs)
    else this.#questions.answer(message)
  }

  async #tellCounts(): Promise<void> {
    post({ kind: 'counted', metrics: await this.#opened.metrics.counted() })
  }

  /** From the outside in, as the node does. */
  async #stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    await Promise.all(SERVERS.map((name) => this.#servers[name].server.stop(graceMs)))
    await this.#peers.close()
    await this.#chunks.releaseFiles()
    await this.#opened.kv.close()
    await this.#tellCounts()
    parent.close()
  }

  async #share(): Promise<void> {
    const { number } = start
    for (;;) {
      try {
        await nodeClock.sleep(SHARE_MS, this.#stopping.signal)
      } catch {
        for (const name of SERVERS) this.#servers[name].shares.note(number, 0, 1)
        return
      }
      for (const name of SERVERS) {
        const { server, traffic, shares } = this.#servers[name]
        traffic.excess = shares.note(number, server.connections, this.#listening)
      }
    }
  }

  /** Of memory that nobody uses, and of files that may be gone. */
  async #letGo(): Promise<void> {
    for (;;) {
      try {
        await nodeClock.sleep(LET_GO_MS, this.#stopping.signal)
      } catch {
        return
      }
      this.#readBuffers.trim()
      await this.#chunks.releaseFiles()
    }
  }
}

await (await Reader.open()).run()
