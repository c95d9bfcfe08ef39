import type { PackPlace } from '#chunk/pack-reader.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { forwardMethods } from '#gateway/http/forward-methods.ts'
import type { TlsMaterial } from '#gateway/http/tls-material.ts'
import type { Log } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { CountedMetrics } from '#observe/prom-metrics.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Files } from '#platform/files.ts'
import type { Listeners } from '#platform/sockets.ts'
import type { Thread, Threads } from '#platform/threads.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import { WireServer } from '#wire/server.ts'
import type { Servers } from './assemble-servers.ts'
import { ConnectionShares } from './connection-shares.ts'
import { ReaderDemand } from './reader-demand.ts'
import { SERVERS } from './reader-messages.ts'
import type { FromReader, ReaderStart, ServerName, ToReader } from './reader-messages.ts'

const LOOK_MS = 250
/** For a thread that is busy to tell its counts; then those count that it told last. */
const COUNT_MS = 1_000

export interface ReaderThreadsOptions {
  readonly threads: Threads
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly files: Pick<Files, 'remove'>
  readonly sockets: Listeners
  /** How many there may be. */
  readonly max: number
  /** What they are all started with. */
  readonly start: Omit<ReaderStart, 'number' | 'tls' | 'addresses' | 'memory'> & {
    readonly memory: Omit<ReaderStart['memory'], 'shares'>
  }
  readonly tls: TlsMaterial | undefined
  /** Those whose ports they share. */
  readonly servers: Pick<Servers, ServerName | 'traffic'>
  /** Where a chunk lies in a pack. */
  readonly placeOf: (id: ChunkId) => PackPlace | undefined
  readonly settle: StrongVolumes['settle']
}

interface Running {
  readonly thread: Thread
  readonly ended: Promise<void>
  counted: CountedMetrics
  onCounted: (() => void) | undefined
}

/** The threads that answer S3's reads beside the one that does everything: docs/adr/0016-reader-threads.md. None at first; one
 *  more whenever that thread has been busy with reads for a while. They stay until the node stops: a listener that is closed may
 *  take connections with it that the kernel has just given it. */
export class ReaderThreads {
  readonly #options: ReaderThreadsOptions
  readonly #shares: Readonly<Record<ServerName, ConnectionShares>>
  readonly #demand = new ReaderDemand()
  readonly #stopping = new AbortController()
  #running: Running[] = []
  #wire: WireServer | undefined
  #unwatch: (() => void) | undefined
  #loop: Promise<void> | undefined
  #hasFailed = false
  #seen = { requests: 0, reads: 0, returned: 0 }

  constructor(options: ReaderThreadsOptions) {
    this.#options = options
    this.#shares = { s3: ConnectionShares.for(options.max + 1), base: ConnectionShares.for(options.max + 1) }
  }

  /** From now on threads are started as they are needed. */
  run(addresses: ReaderStart['addresses']): void {
    const { metrics, tls } = this.#options
    if (metrics instanceof PromMetrics) metrics.include(() => this.#counted())
    metrics.gauge({ name: 'shoal_reader_threads', help: 'Threads beside the one that writes' }, () => this.#running.length)
    const help = 'Reads so far that one of them has sent on to the one that writes'
    metrics.gauge({ name: 'shoal_reader_threads_returned_reads', help }, () => this.#seen.returned)
    this.#unwatch = tls?.watch((pair) => this.#tell({ kind: 'tls', pair }))
    this.#loop = this.#run(addresses)
  }

  /** Lets all threads finish what is under way, for so long at most. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    this.#unwatch?.()
    await this.#loop
    this.#tell({ kind: 'stop', graceMs })
    await Promise.all(this.#running.map(({ ended }) => ended))
    await this.#wire?.close()
  }

  async #run(addresses: ReaderStart['addresses']): Promise<void> {
    const { clock, threads, max } = this.#options
    threads.busyShare()
    for (;;) {
      try {
        await clock.sleep(LOOK_MS, this.#stopping.signal)
      } catch {
        return
      }
      const count = this.#running.length
      const isWanted = this.#demand.look({
        busy: threads.busyShare(),
        idleCores: () => threads.idleCores(),
        ...this.#trafficSince(),
        connections: this.#share(count + 1),
      })
      if (isWanted && count < max && !this.#hasFailed) await this.#start(addresses)
    }
  }

  /** Requests since the last call. */
  #trafficSince(): { requests: number; reads: number; returned: number } {
    const { base, s3 } = this.#options.servers.traffic
    const now = {
      requests: base.requests + s3.requests,
      reads: base.reads + s3.reads,
      returned: base.returned + s3.returned,
    }
    const seen = this.#seen
    this.#seen = now
    return {
      requests: now.requests - seen.requests,
      reads: now.reads - seen.reads,
      returned: now.returned - seen.returned,
    }
  }

  /** Sees to it that each of so many threads has its share of the connections; answers how many this one has. */
  #share(threads: number): number {
    const { servers } = this.#options
    let connections = 0
    for (const name of SERVERS) {
      connections += servers[name].connections
      if (threads > 1) servers.traffic[name].excess = this.#shares[name].note(0, servers[name].connections, threads)
    }
    return connections
  }

  async #start(addresses: ReaderStart['addresses']): Promise<void> {
    const { log } = this.#options
    const number = this.#running.length + 1
    try {
      this.#wire ??= await this.#listen()
      if (!(await this.#begin(addresses, number))) return
      this.#tell({ kind: 'listening', count: number + 1 })
      log.info('reader thread started', { thread: number })
    } catch (error) {
      this.#hasFailed = true
      log.error('a reader thread could not be started, and no other will be', { error })
    }
  }

  /** Resolves when the thread listens; or false, when the node is to stop. @throws why it has ended instead */
  #begin(addresses: ReaderStart['addresses'], number: number): Promise<boolean> {
    const { start, threads, tls } = this.#options
    const { signal } = this.#stopping
    const shares = { s3: this.#shares.s3.memory, base: this.#shares.base.memory }
    const data = { ...start, number, tls: tls?.pair, addresses, memory: { ...start.memory, shares } }
    const listens = Promise.withResolvers<boolean>()
    const ended = Promise.withResolvers<void>()
    let hasListened = false
    const thread = threads.start(new URL('./reader-thread.ts', import.meta.url), data satisfies ReaderStart, {
      message: (message) => {
        const { kind } = message as FromReader
        hasListened ||= kind === 'ready'
        if (kind === 'ready') listens.resolve(true)
        this.#handle(running, message as FromReader)
      },
      ended: (error) => {
        ended.resolve()
        if (!hasListened) this.#running = this.#running.filter((other) => other !== running)
        if (!hasListened) listens.reject(error ?? new Error('The thread has ended by itself'))
        else if (!signal.aborted || error !== undefined) stopForDefect(error)
      },
    })
    const running: Running = { thread, ended: ended.promise, counted: [], onCounted: undefined }
    this.#running.push(running)
    signal.addEventListener('abort', () => listens.resolve(false), { once: true })
    return listens.promise
  }

  async #listen(): Promise<WireServer> {
    const { start, sockets, clock, log, files, servers } = this.#options
    const { socketPath: host, identity } = start
    // One that a killed node has left.
    await files.remove(host)
    const methods = forwardMethods({ s3: servers.s3, base: servers.base }, { fromThreads: true })
    return WireServer.listen({ host, port: 0 }, { listeners: sockets, clock, log, identity, methods })
  }

  #handle(from: Running, message: FromReader): void {
    const { placeOf, settle } = this.#options
    if (message.kind === 'places') from.thread.post({ kind: 'places', places: message.chunks.map(placeOf) } satisfies ToReader)
    if (message.kind === 'settle') {
      const { question, volume } = message
      const tell = (isSettled: boolean): void => from.thread.post({ kind: 'settled', question, isSettled } satisfies ToReader)
      settle(volume).then(
        () => tell(true),
        () => tell(false),
      )
    }
    if (message.kind === 'log') this.#options.log[message.line.level](message.line.message, message.line.fields)
    if (message.kind !== 'counted') return
    from.counted = message.metrics
    from.onCounted?.()
  }

  #tell(message: ToReader): void {
    for (const { thread } of this.#running) thread.post(message)
  }

  /** What all threads have counted. */
  async #counted(): Promise<readonly CountedMetrics[]> {
    const { clock } = this.#options
    const patience = new AbortController()
    const answers = this.#running.map(
      (running) =>
        new Promise<void>((resolve) => {
          running.onCounted = resolve
        }),
    )
    this.#tell({ kind: 'count' })
    const late = clock.sleep(COUNT_MS, patience.signal).catch(() => undefined)
    await Promise.race([Promise.all(answers), late])
    patience.abort()
    return this.#running.map(({ counted }) => counted).filter(({ length }) => length > 0)
  }
}

/** A defect stops the process, whichever thread it is in. */
function stopForDefect(error: Error | undefined): void {
  queueMicrotask(() => {
    throw error ?? new Error('A reader thread has ended by itself')
  })
}
