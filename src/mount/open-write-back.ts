import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { OwnChanges } from '#gateway/fuse/own-changes.ts'
import { type MountableVolume, OwnVolume } from '#gateway/fuse/own-volume.ts'
import type { Log } from '#observe/log.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import type { Clock } from '#platform/clock.ts'
import type { Caller } from '#volume/volume.ts'
import { Journal, type JournalOptions } from './journal.ts'
import type { HandedParts } from './handed-parts.ts'
import { KnownNames } from './known-names.ts'
import { PendingTree } from './pending-tree.ts'
import type { StoredFile, Uploads } from './remote-uploads.ts'
import type { RemoteVolume } from './remote-volume.ts'
import type { ReadJournal } from './upload-units.ts'
import { TouchedFolders } from './touched-folders.ts'
import { Uploader } from './uploader.ts'
import { WriteBackState, type WriteBackStateOptions } from './write-back-state.ts'
import { WriteBackVolume } from './write-back-volume.ts'

/** Numbers of what isn't in the cluster yet lie where no volume will get to. */
const FIRST_INODE = 2 ** 52
/** How long a change waits to be flushed: a power failure may take it until then. */
const SYNC_MS = 1_000
/** And what is written to a long file of which parts are sent meanwhile: ext4 leaves names as long by itself. Mostly the cluster has
 *  the file before, and its bytes never have to be written to this disk. */
const LONG_SYNC_MS = 5_000
const STATUS_MS = 1_000
/** An earlier mount of the directory may still be sending. */
const LOCK_WAIT_MS = 60_000
const LOCK_TRY_MS = 250
/** After an unmount the rest is sent, as long as the cluster takes something within that time. */
const LINGER_MS = 30_000
/** And times of directories. */
const LAST_MS = 2_000
const LOST =
  'Somebody has removed files of the journal: what is pending goes if this mount is killed before the cluster has it, and fsync makes sure of that'

export interface WriteBackSettings {
  readonly files: AppendFiles
  /** Absolute. */
  readonly folder: string
  /** Where the state is written for `shoal mount status`. */
  readonly statusFile: string
  readonly journalBytesMax: number
  readonly isSoft: boolean
  /** Whoever opens a file asks the cluster for it, also while changes are told. */
  readonly asksOnOpen: boolean
  /** Named in the names of files that lost against others. */
  readonly host: string
}

export interface OpenWriteBackOptions
  extends
    WriteBackSettings,
    Pick<WriteBackStateOptions, 'isShown' | 'onLost' | 'onShared' | 'onSettled'>,
    Pick<JournalOptions, 'makeRoom'> {
  readonly remote: MountableVolume & Pick<RemoteVolume, 'openKnown'>
  readonly uploads: Uploads
  /** For a node of this machine. */
  readonly handed?: HandedParts
  /** Which volume of which cluster. */
  readonly identity: string
  readonly caller: Caller
  readonly clock: Clock
  readonly log: Log
  readonly isTold: () => boolean
  /** Whether all is known here that had been acknowledged when this was asked. */
  readonly hears?: () => Promise<boolean>
  /** Whether that is so at this moment, without asking. */
  readonly isSure?: () => boolean
  /** The cluster has these contents. */
  readonly onStored?: (files: readonly StoredFile[]) => void
}

/** What a mount has not sent yet, as it is written for others to read. */
export interface WriteBackStatus {
  /** Changes that wait, many of them in one request. */
  readonly pending: number
  readonly journalBytes: number
  readonly conflicts: number
  /** Why the cluster doesn't take them. */
  readonly error?: string
}

export interface WriteBack {
  readonly volume: WriteBackVolume
  readonly own: OwnChanges
  /** Sends what is pending, and lets go of the journal. What the cluster doesn't take stays in it. */
  close(): Promise<void>
}

/** Takes up the journal of a mount, with what an earlier one has left in it, and goes on sending.
 *  @throws DATA_IN_USE, DATA_FORMAT, CORRUPT, NO_SPACE, STORAGE_FAILED */
export async function openWriteBack(options: OpenWriteBackOptions): Promise<WriteBack> {
  const { remote, clock, log, isTold, asksOnOpen, hears = async () => false, isSure = () => false } = options
  const { journal, pending, cutOff } = await openJournal(options)
  for (const { path, bytes } of cutOff)
    log.warn('The end of the journal can’t be read and was never flushed: it is cut off', { path, bytes })
  const own = new OwnChanges(clock)
  const volume = new OwnVolume(remote, own)
  const tree = new PendingTree({
    onWithdrawn: (unit, into) => uploader.withdrawn(unit, into),
    onLeft: (folder, timeNs) => touched.touched(folder, timeNs),
  })
  const known = new KnownNames()
  const touched = new TouchedFolders({
    ...{ volume, caller: options.caller, clock },
    isPending: (folder) => tree.unitsIn(folder).size > 0 || tree.lastAt(folder) !== undefined,
    onTold: (folder) => {
      known.forget(folder)
      state.touch(folder)
    },
  })
  const state: WriteBackState = new WriteBackState({ ...options, journal, tree, known, touched, onFull: () => uploader.hasten() })
  const readJournal: ReadJournal = (place, length, target) => journal.read(place, length, target)
  const uploader: Uploader = new Uploader({
    ...options,
    ...{ volume, tree, own, readJournal },
    pathOf: (place) => journal.pathOf(place),
    onSend: (units) => {
      journal.sending(units.map(({ numbers }) => numbers))
      state.sending(units)
    },
    onBegun: () => keeper.begun(),
    onDone: (unit, entries, settlement) => state.done(unit, entries, settlement),
    onNeedless: (unit, numbers) => state.needless(unit, numbers),
  })
  for (const { number, change, place, group } of pending) {
    const needless = tree.apply(change, { number, atMs: clock.monotonicMs(), place, group })
    if (needless.length > 0) journal.settle(needless, change.inode, undefined)
  }
  if (pending.length > 0) log.warn('Changes of an earlier mount are sent now', { pending: tree.size })
  const keeper = new Keeper(options, { journal, tree, uploader, touched })
  // It is there before something is written that is to be flushed.
  keeper.start()
  uploader.start()
  return {
    volume: new WriteBackVolume({
      ...{ volume, state, journal, tree, known, clock, isTold, hears, isSure, asksOnOpen, uploader, touched },
      openKnown: (path, attributes) => remote.openKnown(path, attributes),
    }),
    own,
    close: () => keeper.close(),
  }
}

async function openJournal(options: OpenWriteBackOptions): Promise<ReturnType<typeof Journal.open>> {
  const { files, folder, identity, makeRoom, clock } = options
  const untilMs = clock.monotonicMs() + LOCK_WAIT_MS
  for (;;) {
    try {
      return Journal.open({ files, folder, volume: identity, makeRoom }, FIRST_INODE)
    } catch (error) {
      if (!isShoalError(error, 'DATA_IN_USE') || clock.monotonicMs() > untilMs) throw error
      await clock.sleep(LOCK_TRY_MS)
    }
  }
}

interface KeptParts {
  readonly journal: Journal
  readonly tree: PendingTree
  readonly uploader: Uploader
  readonly touched: TouchedFolders
}

/** Keeps the journal durable, tells how it stands, and ends it. */
class Keeper {
  readonly #options: OpenWriteBackOptions
  readonly #parts: KeptParts
  readonly #stop = new AbortController()
  #file: AppendFile | undefined
  #told = ''
  /** When it was begun last to flush the journal. */
  #flushedMs = 0
  /** That is in the log. */
  #isFailing = false

  constructor(options: OpenWriteBackOptions, parts: KeptParts) {
    this.#options = options
    this.#parts = parts
  }

  start(): void {
    const { journal } = this.#parts
    journal.onUrgent = () => void this.#syncIn(SYNC_MS)
    journal.hurry()
    void this.#syncLate()
    void this.#every(STATUS_MS, () => this.#look())
    this.#tell()
  }

  async close(): Promise<void> {
    const { clock, log } = this.#options
    const { tree, uploader, journal, touched } = this.#parts
    for (let [left, sinceMs] = [tree.size, clock.monotonicMs()]; tree.size > 0;) {
      await Promise.race([uploader.settled([...tree.units]).catch(() => undefined), clock.sleep(LOCK_TRY_MS)])
      if (tree.size < left) [left, sinceMs] = [tree.size, clock.monotonicMs()]
      else if (clock.monotonicMs() - sinceMs > LINGER_MS) {
        log.error('The cluster does not take what is pending: it stays in the journal, and the next mount sends it', {
          pending: tree.size,
          error: uploader.lastError,
        })
        break
      }
      await clock.sleep(10)
    }
    await Promise.race([touched.flush().catch(() => undefined), clock.sleep(LAST_MS)])
    touched.stop()
    uploader.stop()
    this.#stop.abort()
    await journal.sync().catch((error: unknown) => log.error('The journal could not be flushed', { error }))
    this.#tell()
    this.#file?.close()
    if (tree.size === 0) this.#clearAway()
    journal.close()
  }

  #clearAway(): void {
    try {
      this.#parts.journal.clearAway()
    } catch (error) {
      this.#options.log.warn('The journal, of which all was sent, could not be cleared away', { error })
    }
  }

  /** What lies in front of a long file isn't left to wait with it. */
  begun(): void {
    void this.#try(() => this.#sync())
  }

  async #sync(): Promise<void> {
    this.#flushedMs = this.#options.clock.monotonicMs()
    await this.#parts.journal.sync()
    this.#isFailing = false
  }

  /** What may wait is flushed when that has been long enough: a file that takes less is at the node before its bytes are written here. */
  async #syncLate(): Promise<void> {
    const { clock } = this.#options
    this.#flushedMs = clock.monotonicMs()
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#flushedMs + LONG_SYNC_MS - clock.monotonicMs()
      if (waitMs > 0) await clock.sleep(waitMs, this.#stop.signal).catch(() => undefined)
      else await this.#try(() => this.#sync())
    }
  }

  async #syncIn(delayMs: number): Promise<void> {
    await this.#options.clock.sleep(delayMs, this.#stop.signal).catch(() => undefined)
    // It may have been flushed meanwhile.
    if (this.#parts.journal.isUrgent) await this.#try(() => this.#sync())
  }

  async #every(periodMs: number, act: () => Promise<void> | void): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#options.clock.sleep(periodMs, this.#stop.signal).catch(() => undefined)
      await this.#try(act)
    }
  }

  async #try(act: () => Promise<void> | void): Promise<void> {
    if (this.#stop.signal.aborted) return
    try {
      await act()
    } catch (error) {
      if (!this.#isFailing) this.#options.log.error('The journal of the mount could not be kept: it is tried again', { error })
      this.#isFailing = true
    }
  }

  #look(): void {
    this.#tell()
    const paths = this.#parts.journal.missed()
    if (paths.length > 0) this.#options.log.error(LOST, { paths, pending: this.#parts.tree.size })
  }

  #tell(): void {
    const { tree, journal, uploader } = this.#parts
    const error = journal.hasLost ? new ShoalError('STORAGE_FAILED', LOST) : uploader.lastError
    const status: WriteBackStatus = {
      pending: tree.size,
      journalBytes: tree.size === 0 ? 0 : journal.sizeBytes,
      conflicts: uploader.conflicts.count,
      ...(error === undefined ? {} : { error: `${error.code}: ${error.message}` }),
    }
    const text = JSON.stringify(status)
    if (text === this.#told) return
    this.#told = text
    this.#file ??= this.#options.files.open(this.#options.statusFile)
    this.#file.cut(0)
    this.#file.append([Buffer.from(text)])
  }
}
