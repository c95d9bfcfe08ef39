import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { BackupCalls } from './backup-calls.ts'
import { BatchCalls } from './batch-calls.ts'
import { TREE_TIMEOUT_MS, filePath, jsonBody, retryOf, target, volumePath, writeHeaders } from './call-parts.ts'
import type { SignalOption } from './call-parts.ts'
import { askedCall, changesCall } from './change-calls.ts'
import { ClusterCalls } from './cluster-calls.ts'
import { ClassCalls } from './class-calls.ts'
import { openDownload, parseHead, readInto, readSmall } from './download.ts'
import type { Download, DownloadOptions, ReadIntoOptions, RemoteHead } from './download.ts'
import { checkStored, hashedBody } from './hashed-source.ts'
import type { ByteSource } from './hashed-source.ts'
import { ConflictCalls } from './conflict-calls.ts'
import { KeyCalls } from './key-calls.ts'
import { splitLines } from './lines.ts'
import { problemError } from './problem.ts'
import { SessionCalls } from './session-calls.ts'
import { TrackerCalls } from './tracker-calls.ts'
import { parseJson, Transport } from './transport.ts'
import type { Call, TransportOptions } from './transport.ts'
import { uploadCalls } from './upload-calls.ts'
import { uploadInParts, type UploadCalls, type UploadSettings, type WriteSettings } from './upload.ts'
import { WholeFileCalls } from './whole-file-calls.ts'
import type {
  AttributeSettings,
  ChangesOptions,
  FsckLine,
  Heard,
  MoveMode,
  NodeStatus,
  RemoteChange,
  RemoteEntry,
  RoomChange,
  RemoteListing,
  RemoteLocations,
  RemoteUpload,
  RemoteVolume,
  RemoteVolumes,
  VolumeSettings,
} from './wire.ts'

/** Files up to this length go up in one PUT, longer ones in an upload session. */
export const SESSION_THRESHOLD_BYTES = 64 * 1024 * 1024

export type ClientOptions = TransportOptions

/** Shoal over REST, as docs/rest.md describes it. Paths are relative to the volume's root with `/` between names, names as
 *  `decodeName` makes them. Every failure is a ShoalError: the server's by its own code; UNAVAILABLE or TIMEOUT with
 *  `details.connection` when the server could not be reached. Calls are repeated where that is safe. */
export class ShoalClient {
  readonly keys: KeyCalls
  readonly cluster: ClusterCalls
  readonly classes: ClassCalls
  readonly tracker: TrackerCalls
  readonly conflicts: ConflictCalls
  readonly batches: BatchCalls
  readonly backup: BackupCalls
  readonly sessions: SessionCalls
  readonly wholeFiles: WholeFileCalls
  readonly #transport: Transport

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options)
    this.keys = new KeyCalls((call) => this.#json(call))
    this.cluster = new ClusterCalls((call) => this.#json(call))
    this.classes = new ClassCalls((call) => this.#json(call))
    this.conflicts = new ConflictCalls((call) => this.#json(call))
    this.batches = new BatchCalls(async (call) => (await this.#transport.send(call)).body)
    this.tracker = new TrackerCalls((call) => this.#json(call))
    this.wholeFiles = new WholeFileCalls((call) => this.#json(call))
    this.sessions = new SessionCalls((call) => this.#json(call))
    this.backup = new BackupCalls({
      stream: (call) => this.#transport.stream(call),
      take: async (call) => (await this.#transport.send(call)).body,
    })
  }

  get endpoint(): string {
    return this.#transport.endpoint
  }

  /** Closes all connections; calls that are under way fail. */
  close(): Promise<void> {
    return this.#transport.close()
  }

  /** What is asked of `volume` from now on is meant for that one alone: VOLUME_NOT_FOUND where it is gone, and another one has its name. */
  mean({ name, id }: Pick<RemoteVolume, 'name' | 'id'>): void {
    this.#transport.mean(volumePath(name), id)
  }

  status(options: SignalOption = {}): Promise<NodeStatus> {
    return this.#json({ method: 'GET', path: '/status', ...options })
  }

  listVolumes(): Promise<RemoteVolumes> {
    return this.#json({ method: 'GET', path: '/volumes' })
  }

  getVolume(volume: string): Promise<RemoteVolume> {
    return this.#json({ method: 'GET', path: volumePath(volume) })
  }

  /** @throws VOLUME_EXISTS */
  async createVolume(volume: string, settings: VolumeSettings = {}): Promise<RemoteVolume> {
    try {
      return await this.#json({
        method: 'PUT',
        path: volumePath(volume),
        ...jsonBody(settings, { 'if-none-match': '*' }),
        idempotent: false,
      })
    } catch (cause) {
      if (!isShoalError(cause, 'PRECONDITION_FAILED')) throw cause
      throw new ShoalError('VOLUME_EXISTS', `There is a volume "${volume}" already`, { cause })
    }
  }

  updateVolume(volume: string, settings: VolumeSettings): Promise<RemoteVolume> {
    return this.#json({ method: 'PATCH', path: volumePath(volume), ...jsonBody(settings), idempotent: true })
  }

  async deleteVolume(volume: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    const path = volumePath(volume) + (force ? '?force=true' : '')
    await this.#transport.send({ method: 'DELETE', path, silenceTimeoutMs: TREE_TIMEOUT_MS })
  }

  /** The entry itself, also of a symbolic link, with its target. @throws NOT_FOUND */
  getEntry(volume: string, path: string, options: SignalOption & { xattrs?: boolean } = {}): Promise<RemoteEntry> {
    const query = options.xattrs === true ? '?xattrs' : ''
    return this.#json({ method: 'GET', path: target(volume, 'attributes', path) + query, signal: options.signal })
  }

  async findEntry(volume: string, path: string, options: SignalOption = {}): Promise<RemoteEntry | undefined> {
    try {
      return await this.getEntry(volume, path, options)
    } catch (error) {
      if (isShoalError(error, 'NOT_FOUND')) return undefined
      throw error
    }
  }

  /** One page. */
  listPage(
    volume: string,
    path: string,
    options: SignalOption & { cursor?: string | undefined; limit?: number; recursive?: boolean } = {},
  ): Promise<RemoteListing> {
    const query = new URLSearchParams({ limit: String(options.limit ?? 1000) })
    if (options.cursor !== undefined) query.set('cursor', options.cursor)
    if (options.recursive === true) query.set('recursive', 'true')
    return this.#json({ method: 'GET', path: `${target(volume, 'entries', path)}?${query}`, signal: options.signal })
  }

  /** All entries in byte order of their names, or of their paths when `recursive`; the next page is fetched while one is
   *  being consumed. */
  async *list(
    volume: string,
    path: string,
    options: SignalOption & { recursive?: boolean; limit?: number } = {},
  ): AsyncGenerator<RemoteEntry, void, undefined> {
    let page = await this.listPage(volume, path, options)
    for (;;) {
      const following = page.next === undefined ? undefined : this.listPage(volume, path, { ...options, cursor: page.next })
      // Its failure is thrown below, or of no interest if the consumer stops before.
      following?.catch(() => undefined)
      yield* page.entries
      if (following === undefined) return
      page = await following
    }
  }

  /** What GET would answer, without the body. `digest` has the SHA-256 computed where it isn't known. */
  async headFile(volume: string, path: string, options: SignalOption & { digest?: boolean } = {}): Promise<RemoteHead> {
    const answer = await this.#transport.send({
      method: 'HEAD',
      path: target(volume, 'files', path),
      signal: options.signal,
      ...(options.digest === true ? { headers: { 'want-repr-digest': 'sha-256=10' }, silenceTimeoutMs: TREE_TIMEOUT_MS } : {}),
    })
    return parseHead(answer.headers)
  }

  /** Reads a file, or a range of it, as a stream. */
  openFile(volume: string, path: string, options: DownloadOptions = {}): Promise<Download> {
    return openDownload(this.#transport, target(volume, 'files', path), options)
  }

  /** Reads as much of a file as `into` takes. */
  readInto(volume: string, path: string, options: ReadIntoOptions): Promise<RemoteHead> {
    return readInto(this.#transport, target(volume, 'files', path), options)
  }

  /** Reads a small file into memory. */
  readSmallFile(volume: string, path: string, options: SignalOption = {}): Promise<{ head: RemoteHead; bytes: Buffer }> {
    return readSmall(this.#transport, target(volume, 'files', path), options.signal)
  }

  /** Stores `bytes` as a file in one call. */
  async writeSmallFile(volume: string, path: string, bytes: Uint8Array, settings: WriteSettings = {}): Promise<RemoteEntry> {
    return this.#json({
      method: 'PUT',
      path: filePath(volume, path, settings),
      headers: writeHeaders(settings),
      body: bytes,
      ...retryOf(settings),
    })
  }

  /** Stores a stream of unknown length that can be read only once. */
  async writeStream(
    volume: string,
    path: string,
    body: AsyncIterable<Uint8Array>,
    settings: WriteSettings = {},
  ): Promise<RemoteEntry> {
    return this.#json({
      method: 'PUT',
      path: filePath(volume, path, settings),
      headers: writeHeaders(settings),
      body: () => body,
      replayable: false,
      signal: settings.signal,
    })
  }

  /** Stores a file of any length: up to 64 MiB in one call, above in an upload session with parallel parts. What the
   *  server stored is compared with what was sent by SHA-256. */
  async writeFile(volume: string, path: string, source: ByteSource, settings: UploadSettings = {}): Promise<RemoteEntry> {
    if (source.sizeBytes > SESSION_THRESHOLD_BYTES || settings.resumeId !== undefined) {
      try {
        return await uploadInParts(this.uploadTo(volume, path), source, settings)
      } catch (error) {
        // An eventual volume has no sessions, and takes files of any length in one call.
        if (!isShoalError(error, 'UNSUPPORTED')) throw error
      }
    }
    const body = hashedBody(source, { offset: 0, length: source.sizeBytes }, settings.onBytes ?? (() => undefined))
    const entry = await this.#json<RemoteEntry>({
      method: 'PUT',
      path: filePath(volume, path, settings),
      headers: { ...writeHeaders(settings), 'content-length': String(source.sizeBytes) },
      body: body.open,
      ...retryOf(settings),
    })
    checkStored({ what: `"${path}"`, sent: body.digest(), stored: entry.sha256 })
    return entry
  }

  uploadTo(volume: string, path: string): UploadCalls {
    return uploadCalls((call) => this.#json(call), volume, path)
  }

  /** Writes at most 64 MiB at an offset of an existing file. */
  writeRange(
    volume: string,
    path: string,
    write: { readonly offset: number; readonly bytes: Uint8Array; readonly ifMatch?: string },
  ): Promise<RemoteEntry> {
    return this.#json({
      method: 'PATCH',
      path: `${target(volume, 'files', path)}?offset=${write.offset}`,
      ...(write.ifMatch === undefined ? {} : { headers: { 'if-match': write.ifMatch } }),
      body: write.bytes,
      idempotent: true,
    })
  }

  locate(volume: string, path: string): Promise<RemoteLocations> {
    return this.#json({ method: 'GET', path: `${target(volume, 'files', path)}?locations` })
  }

  /** @throws NOT_FOUND, DIRECTORY_NOT_EMPTY */
  async remove(volume: string, path: string, options: SignalOption & { recursive?: boolean } = {}): Promise<void> {
    const recursive = options.recursive === true
    await this.#transport.send({
      method: 'DELETE',
      path: target(volume, 'files', path) + (recursive ? '?recursive=true' : ''),
      signal: options.signal,
      ...(recursive ? { silenceTimeoutMs: TREE_TIMEOUT_MS } : {}),
    })
  }

  makeDirectory(volume: string, path: string, options: { parents?: boolean; mode?: string } = {}): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'mkdir', ...options }, { idempotent: options.parents === true })
  }

  makeSymlink(volume: string, path: string, linkTarget: string): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'symlink', target: linkTarget })
  }

  makeNode(volume: string, path: string, node: { type: string; mode?: string; rdev?: number }): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'mknod', ...node })
  }

  link(volume: string, path: string, to: string): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'link', to })
  }

  /** `ifMatch` and `ifNoneMatch` are conditions for what is at `to`. */
  move(
    volume: string,
    path: string,
    options: { to: string; mode?: MoveMode; parents?: boolean; ifMatch?: string; ifNoneMatch?: '*' },
  ): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'move', ...options })
  }

  /** A copy within the volume, made by the server without moving bytes. */
  copy(
    volume: string,
    path: string,
    options: { to: string; recursive?: boolean; replace?: boolean; parents?: boolean },
  ): Promise<RemoteEntry> {
    const call = options.recursive === true ? { silenceTimeoutMs: TREE_TIMEOUT_MS } : {}
    return this.#operate(volume, path, { op: 'copy', ...options }, call)
  }

  copyRange(
    volume: string,
    path: string,
    range: { from: string; fromOffset: number; offset: number; length: number },
  ): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'copy-range', ...range }, { idempotent: true })
  }

  truncate(volume: string, path: string, sizeBytes: number, ifMatch?: string): Promise<RemoteEntry> {
    const operation = { op: 'truncate', size: sizeBytes, ...(ifMatch === undefined ? {} : { ifMatch }) }
    return this.#operate(volume, path, operation, { idempotent: true })
  }

  /** Makes a range a hole, or sets it aside. */
  changeRoom(volume: string, path: string, change: RoomChange): Promise<RemoteEntry> {
    return this.#operate(volume, path, change, { idempotent: true })
  }

  setAttributes(volume: string, path: string, attributes: AttributeSettings): Promise<RemoteEntry> {
    return this.#operate(volume, path, { op: 'attributes', ...attributes }, { idempotent: true })
  }

  async *listUploads(volume: string): AsyncGenerator<RemoteUpload, void, undefined> {
    let cursor: string | undefined
    do {
      const query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`
      const path = `${volumePath(volume)}/uploads${query}`
      const page: { uploads: RemoteUpload[]; next?: string } = await this.#json({ method: 'GET', path })
      yield* page.uploads
      cursor = page.next
    } while (cursor !== undefined)
  }

  async abortUpload(volume: string, id: string): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: `${volumePath(volume)}/uploads/${encodeURIComponent(id)}` })
  }

  /** Changes after `cursor`, or from now on; ends when caught up if `follow` is false. A node that lives says something every 15 s.
   *  @throws CURSOR_TOO_OLD */
  changes(options: SignalOption & ChangesOptions = {}): AsyncGenerator<RemoteChange, void, undefined> {
    return this.#lines<RemoteChange>(changesCall(options), options.onOpen)
  }

  /** The same, with an answer to each number of `questions` behind all that had been acknowledged when the node read it. A number has at most
   *  15 digits; the answer to one is that to all before it. @throws UNSUPPORTED for an eventual volume, and what a node throws that is older */
  askedChanges(
    questions: AsyncIterable<number>,
    options: SignalOption & Omit<ChangesOptions, 'follow'> = {},
  ): AsyncGenerator<RemoteChange | Heard, void, undefined> {
    return this.#lines<RemoteChange | Heard>(askedCall(questions, options), options.onOpen)
  }

  /** Checks the node's data; the last line is the result. */
  fsck(options: SignalOption & { repair?: boolean; verify?: boolean } = {}): AsyncGenerator<FsckLine, void, undefined> {
    const { signal, ...body } = options
    return this.#lines<FsckLine>({ method: 'POST', path: '/fsck', ...jsonBody(body), signal, silenceTimeoutMs: TREE_TIMEOUT_MS })
  }

  #operate(volume: string, path: string, operation: object, call: Partial<Call> = {}): Promise<RemoteEntry> {
    return this.#json({ method: 'POST', path: target(volume, 'entries', path), ...jsonBody(operation), ...call })
  }

  async #json<T>(call: Call): Promise<T> {
    return parseJson<T>(await this.#transport.send(call))
  }

  async *#lines<T>(call: Call, onOpen?: (cursor?: string) => void): AsyncGenerator<T, void, undefined> {
    const answer = await this.#transport.stream(call)
    const cursor = answer.headers['x-shoal-cursor']
    onOpen?.(typeof cursor === 'string' ? cursor : undefined)
    try {
      for await (const line of splitLines(answer.body)) {
        const value = JSON.parse(line) as T & { status?: number; code?: string }
        if (typeof value.code === 'string' && typeof value.status === 'number') throw problemError(value.status, line)
        yield value as T
      }
    } finally {
      answer.cancel()
    }
  }
}
