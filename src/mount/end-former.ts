import type { SessionCalls } from '#client/session-calls.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { NotedSession } from './session-note.ts'

const RETRY_MS = 250
/** A node looks once a second for sessions whose leases are over. */
const LATE_MS = 2_000

export interface EndFormerOptions {
  readonly sessions: Pick<SessionCalls, 'end'>
  readonly volume: string
  readonly former: readonly NotedSession[]
  /** Resolves when the cluster has what those mounts had changed: who gets a lock of theirs sees it. */
  readonly sent: () => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

/** Ends the sessions of mounts that were killed, once what they had changed has been sent. It is over when their leases are, at the latest:
 *  then the node has ended them itself. */
export async function endFormer(options: EndFormerOptions): Promise<void> {
  const { sessions, volume, former, sent, clock, log } = options
  const untilMs = clock.monotonicMs() + Math.max(0, ...former.map(({ leaseMs }) => leaseMs)) + LATE_MS
  const enough = new AbortController()
  const late = clock.sleep(untilMs - clock.monotonicMs(), enough.signal).catch(() => undefined)
  const end = async (): Promise<void> => {
    // What the cluster refuses stays in the journal, as long as it does: nobody has a lock for that.
    await again(sent).catch(() => undefined)
    for (const { session } of former) await again(() => sessions.end(volume, session))
  }
  /** Until it is done, refused for good, or too late. */
  const again = async (call: () => Promise<void>): Promise<void> => {
    while (!enough.signal.aborted) {
      try {
        return await call()
      } catch (error) {
        if (!isShoalError(error) || error.retry !== 'after-delay') throw error
        await clock.sleep(RETRY_MS, enough.signal).catch(() => undefined)
      }
    }
  }
  const ended = end().catch((error: unknown) => {
    log.warn('The session of an earlier mount could not be ended: its locks go when its lease is over', { error })
  })
  await Promise.race([ended, late])
  enough.abort()
}
