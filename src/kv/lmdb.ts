import { mkdir, open as openFile, rm, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { open } from 'lmdb'
import type { RangeOptions as LmdbRangeOptions, RootDatabase } from 'lmdb'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { BlockingFile } from '#platform/blocking-file.ts'
import type { Clock } from '#platform/clock.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase, KeptState } from './commit-base.ts'
import type { CommitSignals } from './commit-signals.ts'
import { FollowedState } from './followed-state.ts'
import { FollowingStore } from './following-store.ts'
import { GroupCommitStore } from './group-commit-store.ts'
import type { GroupCommitOptions } from './group-commit.ts'
import { Journal, SEGMENT_BYTES } from './journal.ts'
import type { JournalOptions } from './journal.ts'
import { JournalTail } from './journal-tail.ts'
import { JournaledBase } from './journaled-base.ts'
import type { KeyValue, KeyValueStore } from './store.ts'
import type { WriteSet } from './write-set.ts'

export interface LmdbStoreOptions extends GroupCommitOptions {
  /** The folder of the store. It is made if it is missing, durably. Only one process may have it open. */
  readonly path: string
  /** Commits become durable in a journal first, in two files of 4 MiB in the same folder; without room for them they don't.
   *  Without it, the folder must have none: its changes would be taken for newer ones. */
  readonly journal?: JournalOptions & { readonly clock: Clock }
}

/** A store in the LMDB files `data.mdb` and `lock.mdb` of a folder. The file grows as needed and never shrinks; pages of
 *  removed entries are used again. @throws STORAGE_FAILED when the folder can't be opened */
export async function openLmdbStore({ path, journal, onCommit }: LmdbStoreOptions): Promise<KeyValueStore> {
  const folder = resolve(path)
  return opening(folder, async () => {
    const base = await openBase(folder)
    return new GroupCommitStore(journal === undefined ? base : await journaled(base, { folder, ...journal }), { onCommit })
  })
}

export interface LmdbFollowerOptions {
  readonly path: string
  /** Those of the store that is followed: it has them among the options of its journal. */
  readonly signals: CommitSignals
  /** Opens the files of the journal. */
  readonly openFile: (path: string) => BlockingFile
  readonly clock: Clock
}

/** Follows a journaled store that another thread of this process has open, to read what it has acknowledged. It must be closed
 *  before that one. @throws UNAVAILABLE if that store has no journal, STORAGE_FAILED */
export async function openLmdbFollower({ path, signals, openFile: open, clock }: LmdbFollowerOptions): Promise<KeyValueStore> {
  if (signals.durable < 0) throw new ShoalError('UNAVAILABLE', 'Only a store with a journal can be followed')
  const folder = resolve(path)
  return opening(folder, async () => {
    const files = [open(`${folder}/journal.0`), open(`${folder}/journal.1`)] as const
    const base = new LmdbBase(openEnvironment(folder), folder)
    const state = new FollowedState({ base, signals, tail: new JournalTail({ files, segmentBytes: SEGMENT_BYTES }) })
    return new FollowingStore(state, { clock, release: () => base.close() })
  })
}

/** Brings what a journal in the folder holds into the store, and removes the journal. Cut off at any moment, the next call does the
 *  rest, as long as nobody has changed the store meanwhile. @throws NO_SPACE, STORAGE_FAILED */
export async function drainLmdbJournal(path: string, options: JournalOptions): Promise<void> {
  const folder = resolve(path)
  const { files } = options
  const found = await Promise.all(['journal.0', 'journal.1'].map((name) => files.facts(`${folder}/${name}`)))
  if (found.every((facts) => facts === undefined)) return
  const base = await openLmdbBase(folder)
  try {
    const { journal, unapplied } = await Journal.open(folder, options)
    if (unapplied.size > 0) await base.commit(unapplied)
    await journal.remove(files)
  } finally {
    await base.close()
  }
}

/** The same files as a base of another store, which has no use for a journal: `drainLmdbJournal` has to have removed it.
 *  @throws STORAGE_FAILED when the folder can't be opened */
export function openLmdbBase(path: string): Promise<CommitBase> {
  const folder = resolve(path)
  return opening(folder, () => openBase(folder))
}

async function opening<T>(folder: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    throw new ShoalError('STORAGE_FAILED', `Cannot open the key-value store in "${folder}": ${String(cause)}`, { cause })
  }
}

async function openBase(folder: string): Promise<CommitBase> {
  await makeFolder(folder)
  const base = new LmdbBase(openEnvironment(folder), folder)
  await syncPath(`${folder}/data.mdb`)
  await syncPath(folder)
  return base
}

async function journaled(
  base: CommitBase,
  { folder, clock, ...options }: JournalOptions & { folder: string; clock: Clock },
): Promise<CommitBase> {
  try {
    const opened = await Journal.open(folder, options)
    const freeBytes = async (): Promise<number> => (await options.files.space(folder)).freeBytes
    return new JournaledBase(base, { ...opened, clock, freeBytes })
  } catch (error) {
    if (isShoalError(error, 'NO_SPACE')) return base
    await base.close()
    throw error
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

type Database = RootDatabase<Buffer, Buffer>

function openEnvironment(folder: string): Database {
  return open<Buffer, Buffer>({
    path: folder,
    // Otherwise a dot in the folder's name would make it a file.
    noSubdir: false,
    // With it a commit's promise resolves before the data is on disk.
    overlappingSync: false,
    // With it the binding makes a promise of its own for each turn, whose rejection nobody could handle.
    eventTurnBatching: false,
    compression: false,
    cache: false,
    // The same on every machine, so that the file can move; it allows keys of up to 1,978 bytes.
    pageSize: 4096,
    keyEncoder: { writeKey, readKey },
    encoder: { encode: (value: Buffer) => value, decode: copyOfValue },
  })
}

function writeKey(key: unknown, target: Uint8Array, start: number): number {
  const bytes = key as Uint8Array
  target.set(bytes, start)
  return start + bytes.length
}

function readKey(source: Uint8Array, start: number, end: number): Buffer {
  const key = Buffer.allocUnsafe(end - start)
  ;(source as Buffer).copy(key, 0, start, end)
  return key
}

/** LMDB's binding reads every value into the same memory, whose `length` it sets to the value's for the time being. */
function copyOfValue(shared: Buffer): Buffer {
  const { length } = shared
  const value = Buffer.allocUnsafe(length)
  Buffer.prototype.copy.call(shared, value, 0, 0, length)
  return value
}

class LmdbBase implements CommitBase {
  readonly #database: Database
  readonly #folder: string

  constructor(database: Database, folder: string) {
    this.#database = database
    this.#folder = folder
  }

  get(key: Uint8Array): Buffer | undefined {
    return this.#database.get(key as Buffer)
  }

  range(interval: Interval): IterableIterator<KeyValue> {
    return new LmdbRange(this.#database.getRange(toLmdbRange(interval))[Symbol.iterator]())
  }

  keep(): KeptState {
    const database = this.#database
    const transaction = database.useReadTransaction()
    // From now on others read in a transaction of their own; this one stays where it is.
    database.resetReadTxn()
    return {
      get: (key) => database.get(key as Buffer, { transaction }),
      range: (interval) => new LmdbRange(database.getRange({ ...toLmdbRange(interval), transaction })[Symbol.iterator]()),
      release: () => transaction.done(),
    }
  }

  async commit(writes: WriteSet): Promise<void> {
    const database = this.#database
    try {
      // One batch is one transaction of LMDB, however many operations it has.
      await database.batch(() => {
        for (const { key, value } of writes.writes()) {
          if (value === undefined) void database.remove(key as Buffer)
          else void database.put(key as Buffer, value as Buffer)
        }
      })
    } catch (error) {
      throw await this.#commitError(error)
    } finally {
      // Reads go on with the old state until they are told to look anew. The binding does so itself today, undocumented.
      database.resetReadTxn()
    }
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  /** The reason why a commit failed, which the binding keeps in a promise of its own. */
  async #commitError(error: unknown): Promise<unknown> {
    const reason: unknown = await Promise.resolve((error as { commitError?: unknown }).commitError).then(
      () => error,
      (cause: unknown) => cause,
    )
    const isFull = isNoSpace(reason) || (codeOf(reason) === EIO && (await isDiskFull(this.#folder)))
    if (!isFull || !this.#isUsable()) return reason
    return new ShoalError('NO_SPACE', 'The disk that holds the metadata is full', { cause: reason })
  }

  /** LMDB gives up for good when it can't say which state the disk holds; it then refuses to read as well. */
  #isUsable(): boolean {
    try {
      this.#database.resetReadTxn()
      this.#database.get(Buffer.of(0))
      return true
    } catch {
      return false
    }
  }
}

/** The binding's walk, as one that can be iterated itself and ended twice. */
class LmdbRange implements IterableIterator<KeyValue> {
  readonly #walk: Iterator<KeyValue>

  constructor(walk: Iterator<KeyValue>) {
    this.#walk = walk
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<KeyValue, undefined> {
    return this.#walk.next()
  }

  return(): IteratorReturnResult<undefined> {
    this.#walk.return?.()
    return DONE
  }
}

/** ENOSPC, EFBIG, EDQUOT as numbers and names, and MDB_MAP_FULL. */
const NO_SPACE_CODES: readonly unknown[] = [28, 27, 122, 'ENOSPC', 'EFBIG', 'EDQUOT', -30792]
/** LMDB says so for a failing disk, and also when a write came out short because the disk had become full. */
const EIO = 5

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code
}

function isNoSpace(error: unknown): boolean {
  return NO_SPACE_CODES.includes(codeOf(error))
}

const PROBE = Buffer.alloc(1024 * 1024)

/** Tells a full disk from a broken one: there is no room for a small file either. */
async function isDiskFull(folder: string): Promise<boolean> {
  const path = `${folder}/room.tmp`
  try {
    await writeFile(path, PROBE, { flush: true })
    return false
  } catch (error) {
    return isNoSpace(error)
  } finally {
    await rm(path, { force: true })
  }
}

/** No key is less; the binding's own default begins higher. */
const LEAST_KEY = Buffer.of(0)

/** The binding walks from `start` on and stops before `end`, in reverse too: there `start` is the upper bound. */
function toLmdbRange({ start, end, reverse, limit }: Interval): LmdbRangeOptions {
  const upper = end === undefined ? {} : { [reverse ? 'start' : 'end']: end }
  const lower = { [reverse ? 'end' : 'start']: start.length === 0 ? LEAST_KEY : start }
  const options = { ...upper, ...lower, ...(limit === Infinity ? {} : { limit }) }
  return reverse ? { ...options, reverse, exclusiveStart: end !== undefined, inclusiveEnd: true } : options
}

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  // Each new folder is an entry in the one above it, which has to be flushed for the entry to last.
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncPath(dirname(made))
}

async function syncPath(path: string): Promise<void> {
  const file = await openFile(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
