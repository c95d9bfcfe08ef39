import type { ShoalClient } from '#client/shoal-client.ts'
import type { Heard, RemoteChange } from '#client/wire.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { parsePath } from '#foundation/path.ts'
import { parseTimestamp } from '#foundation/timestamp.ts'
import type { Coherence } from '#gateway/fuse/coherence.ts'
import type { RemoteChanges } from '#gateway/fuse/remote-changes.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Change } from '#volume/volume.ts'
import type { HeardChanges } from './heard-changes.ts'

/** A node that lives says something every 15 s. */
const SILENCE_MS_MAX = 25_000
/** A feed that answers is asked when it has said nothing for so long, and is lost when it goes on saying nothing: after so many further waits,
 *  one after the other, so that a machine that was asleep reads what has come before it judges. */
const BEAT_MS = 4_000
const BEAT_WAITS_MS = [1_000, 1_000, 1_000, 1_000]
/** A feed that is back by then has told everything; later, what the kernel has is dropped at once and not when the feed is back. */
const GRACE_MS = 2_000
const FIRST_DELAY_MS = 100
const DELAY_MS_MAX = 5_000
/** For so long it is waited whether a node, and what is between, lets questions and changes pass at the same time. */
const ASKED_OPEN_MS_MAX = 3_000
/** For so long where they have passed before. */
const REOPEN_MS_MAX = 10_000
/** If not, it is tried again after that time. */
const PLAIN_MS = 600_000
/** A change may have to wait until one of this mount is answered: whoever asks meanwhile asks the node. */
const JUDGED_MS_MAX = 2
/** What the kernel is being told at once. */
const TELLING_MAX = 512

export interface ChangeFollowerOptions {
  readonly client: Pick<ShoalClient, 'changes' | 'status'> & Partial<Pick<ShoalClient, 'askedChanges'>>
  readonly volume: string
  /** Its cursors are its own, not those of all volumes. */
  readonly isEventual?: boolean
  readonly coherence: Coherence
  readonly changes: Pick<RemoteChanges, 'apply' | 'dropAll' | 'forgetKnown'> & Partial<Pick<RemoteChanges, 'judged'>>
  /** Is told what the feed says of questions. */
  readonly heard?: HeardChanges
  readonly clock: Clock
  readonly log: Log
}

/** Follows a volume's changes, so that the kernel may go on with what it knows until it is told otherwise. While the feed is
 *  lost, it may for a second at a time; what it had before is dropped, unless the feed is back soon. */
export class ChangeFollower {
  readonly #options: ChangeFollowerOptions
  readonly #stop = new AbortController()
  readonly #telling = new Set<Promise<void>>()
  /** Ends the feed that is being followed. */
  #broken = new AbortController()
  #cursor: string | undefined
  #mustDrop = false
  /** What is remembered is old, and good for as long as nobody can be asked. */
  #isOld = false
  /** When the feed last said something. */
  #heardMs = -Infinity
  /** Questions have been answered. */
  #hasAnswered = false
  /** Until then the feed isn't asked. */
  #plainUntilMs = -Infinity
  #dropping: AbortController | undefined

  constructor(options: ChangeFollowerOptions) {
    this.#options = options
  }

  /** Begins with what changes from now on. It doesn't wait for the feed: until it is there, answers are good for a second. */
  start(): void {
    void this.#run()
  }

  /** Repeating it is harmless. */
  stop(): void {
    this.#stop.abort()
    this.#dropping?.abort()
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options
    for (let delayMs = FIRST_DELAY_MS; !this.#stop.signal.aborted;) {
      let wasTold = false
      try {
        await this.#follow(() => {
          wasTold = true
        })
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (isShoalError(error, 'CURSOR_TOO_OLD')) this.#lostTrack()
        // Once for each time that it is lost.
        if (wasTold || delayMs === FIRST_DELAY_MS)
          log.warn('Changes that others make are not told: names and attributes are looked up again after a second', { error })
      }
      this.#lost()
      delayMs = wasTold ? FIRST_DELAY_MS : Math.min(delayMs * 2, DELAY_MS_MAX)
      await clock.sleep(delayMs, this.#stop.signal).catch(() => undefined)
    }
  }

  async #follow(onTold: () => void): Promise<void> {
    this.#broken = new AbortController()
    this.#cursor ??= await this.#currentCursor()
    const feed = this.#open(() => {
      onTold()
      this.#dropping?.abort()
      if (this.#isOld) this.#options.changes.forgetKnown()
      this.#isOld = false
      this.#options.coherence.isTold = true
    })
    // What changes meanwhile is told afterwards.
    if (this.#mustDrop && !(await this.#drop())) return
    for await (const step of feed) {
      this.#heardMs = this.#options.clock.monotonicMs()
      if ('heard' in step) {
        void this.#hear(step)
        continue
      }
      this.#tell(changeOf(step))
      if (this.#telling.size >= TELLING_MAX) await Promise.race(this.#telling)
      this.#cursor = step.cursor
    }
  }

  /** The feed, which answers questions where it can. */
  async *#open(onTold: () => void): AsyncGenerator<RemoteChange | Heard, void, undefined> {
    const { client, volume, heard, clock } = this.#options
    const signal = AbortSignal.any([this.#stop.signal, this.#broken.signal])
    const options = { cursor: this.#cursor as string, volume, silenceTimeoutMs: SILENCE_MS_MAX }
    if (heard !== undefined && client.askedChanges !== undefined && clock.monotonicMs() >= this.#plainUntilMs) {
      const late = new AbortController()
      let isOpen = false
      const onOpen = (): void => {
        isOpen = true
        onTold()
        void this.#beat(heard, late)
      }
      const enough = new AbortController()
      clock.sleep(this.#hasAnswered ? REOPEN_MS_MAX : ASKED_OPEN_MS_MAX, enough.signal).then(
        () => isOpen || late.abort(),
        () => undefined,
      )
      try {
        yield* client.askedChanges(heard.begin(), { ...options, signal: AbortSignal.any([signal, late.signal]), onOpen })
        return
      } catch (error) {
        if (late.signal.aborted && this.#hasAnswered) throw new ShoalError('TIMEOUT', 'The node says nothing', { cause: error })
        // A node that is older, or something on the way that waits for the end of what is asked.
        if (isOpen || signal.aborted || !(late.signal.aborted || isRefusal(error))) throw error
        this.#plainUntilMs = clock.monotonicMs() + PLAIN_MS
      } finally {
        enough.abort()
        late.abort()
        heard.end()
      }
    }
    yield* client.changes({ ...options, signal, onOpen: onTold })
  }

  /** Asks a feed that says nothing, and gives it up when it has no answer. Until it is over. */
  async #beat(heard: HeardChanges, over: AbortController): Promise<void> {
    const { clock } = this.#options
    const waits = async (ms: number): Promise<void> => clock.sleep(ms, over.signal).catch(() => undefined)
    while (!over.signal.aborted) {
      const sinceMs = clock.monotonicMs()
      await waits(BEAT_MS)
      if (!this.#hasAnswered || this.#heardMs >= sinceMs) continue
      heard.probe()
      for (const ms of BEAT_WAITS_MS) if (this.#heardMs < sinceMs) await waits(ms)
      if (this.#heardMs < sinceMs) over.abort()
    }
  }

  /** What was told before is to be known here. */
  async #hear({ heard: question, quietMs }: Heard): Promise<void> {
    const { changes, heard, clock } = this.#options
    this.#hasAnswered = true
    const judged = changes.judged
    if (judged === undefined) return heard?.answered(question, true, quietMs)
    const enough = new AbortController()
    const late = clock.sleep(JUDGED_MS_MAX, enough.signal).then(
      () => false,
      () => false,
    )
    const isKnown = await Promise.race([judged.then(() => true), late])
    enough.abort()
    heard?.answered(question, isKnown, quietMs)
  }

  async #currentCursor(): Promise<string> {
    const { client, volume, isEventual = false } = this.#options
    const { signal } = this.#stop
    if (!isEventual) return (await client.status({ signal })).changes.cursor
    let cursor: string | undefined
    const onOpen = (from: string | undefined): void => {
      cursor = from
    }
    for await (const change of client.changes({ volume, follow: false, signal, onOpen })) cursor = change.cursor
    if (cursor !== undefined) return cursor
    throw new ShoalError('UNSUPPORTED', 'The node has no feed of the changes of this volume')
  }

  /** Changes are applied in order; that the kernel has heard of one is not waited for. */
  #tell(change: Change): void {
    const applied = this.#options.changes.apply(change)
    if (applied === undefined) return
    const telling = applied.catch((error: unknown) => {
      if (this.#stop.signal.aborted) return
      this.#options.log.warn('The kernel could not be told of a change', { error })
      this.#mustDrop = true
      this.#broken.abort()
    })
    this.#telling.add(telling)
    void telling.then(() => this.#telling.delete(telling))
  }

  #lostTrack(): void {
    this.#cursor = undefined
    this.#mustDrop = true
  }

  #lost(): void {
    this.#options.coherence.isTold = false
    if (this.#dropping !== undefined && !this.#dropping.signal.aborted) return
    const dropping = new AbortController()
    this.#dropping = dropping
    this.#options.clock.sleep(GRACE_MS, dropping.signal).then(
      () => {
        this.#isOld = true
        return this.#drop({ keepsKnown: true })
      },
      () => undefined,
    )
  }

  /** Whether the kernel has dropped everything. */
  async #drop(how: { readonly keepsKnown?: boolean } = {}): Promise<boolean> {
    try {
      await this.#options.changes.dropAll(how)
      this.#mustDrop = false
      return true
    } catch (error) {
      this.#mustDrop = true
      if (!this.#stop.signal.aborted) this.#options.log.warn('The kernel could not be told to drop what it knows', { error })
      return false
    }
  }
}

/** Such a question isn't known there. */
function isRefusal(error: unknown): boolean {
  const codes = ['METHOD_NOT_ALLOWED', 'NOT_FOUND', 'UNSUPPORTED', 'INVALID_ARGUMENT', 'TIMEOUT'] as const
  return codes.some((code) => isShoalError(error, code))
}

function changeOf(change: RemoteChange): Change {
  const { cursor, time, kind, volume, by, inode, parent, fromParent, type, path, from, etag } = change
  return {
    cursor,
    timeNs: parseTimestamp(time, 'time'),
    kind: kind as Change['kind'],
    volume,
    principal: by,
    inode: inode as InodeId | undefined,
    parent: parent as InodeId | undefined,
    fromParent: fromParent as InodeId | undefined,
    type,
    path: parsePath(path),
    from: from === undefined ? undefined : parsePath(from),
    ...(etag === undefined ? {} : { etag }),
  }
}
