import { ShoalError } from '#foundation/errors.ts'
import { type NumberedChange, nextChange, readChanges } from '#metadata/change-feed.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { AskedOptions, FollowOptions, Heard } from './feed-questions.ts'
import type { Change } from './volume.ts'

const CHANGES_PER_READ = 500

export async function currentCursor(metadata: Metadata): Promise<string> {
  return String(await metadata.readSystem(nextChange))
}

/** Changes from a cursor on, then as they happen. Nothing is buffered: a slow reader reads on from the feed when it is
 *  ready, and is told when the feed no longer goes back that far. Questions are answered behind what they ask about. */
export function followChanges(metadata: Metadata, options: AskedOptions): AsyncGenerator<Change | Heard>
export function followChanges(metadata: Metadata, options: FollowOptions): AsyncGenerator<Change>
export async function* followChanges(
  metadata: Metadata,
  options: FollowOptions & Partial<AskedOptions>,
): AsyncGenerator<Change | Heard> {
  const { volume, follow = true, signal, questions } = options
  let from = options.cursor === undefined ? Number(await currentCursor(metadata)) : parseCursor(options.cursor)
  let question: number | undefined
  const bell = new Bell()
  const stop = metadata.onChange(() => bell.ring())
  questions?.onAsk(() => bell.ring())
  const onAbort = () => bell.ring()
  signal?.addEventListener('abort', onAbort)
  try {
    while (signal?.aborted !== true) {
      bell.reset()
      question = questions?.take() ?? question
      // Before it is looked at what there is: all of it is told when the answer says so.
      const quietMs = question === undefined ? 0 : metadata.promiseQuiet()
      const changes = await metadata.readSystem((snapshot) => readChanges(snapshot, { from, limit: CHANGES_PER_READ }))
      for (const change of changes) {
        from = change.number + 1
        if (volume === undefined || change.volume === volume) yield describe(change)
      }
      if (question !== undefined && changes.length < CHANGES_PER_READ) {
        yield { kind: 'heard', question, quietMs }
        question = undefined
      }
      if (changes.length > 0) continue
      if (!follow || questions?.isOver === true) return
      await bell.rung
    }
  } finally {
    stop()
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Remembers that it rang, until it is reset. */
export class Bell {
  rung: Promise<void> = Promise.resolve()
  #resolve: () => void = () => {}

  ring(): void {
    this.#resolve()
  }

  reset(): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.rung = promise
    this.#resolve = resolve
  }
}

function parseCursor(text: string): number {
  const number = Number(text)
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(number) || number < 1) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `"${text.slice(0, 40)}" is not a cursor of the change feed: pass one that a change or the status came with`,
      { details: { field: 'cursor' } },
    )
  }
  return number
}

function describe(change: NumberedChange): Change {
  const { number, timeNs, kind, volume, principal, inode, parent, type, path, from, fromParent } = change
  return {
    cursor: String(number + 1),
    timeNs,
    kind,
    volume,
    principal,
    inode,
    parent,
    type,
    path: split(path),
    from: from === undefined ? undefined : split(from),
    fromParent,
  }
}

function split(path: string): string[] {
  return path === '' ? [] : path.split('/')
}
