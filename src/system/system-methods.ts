import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { WireHeader } from '#wire/messages.ts'
import type { WireMethods } from '#wire/methods.ts'
import { encodeView } from './view-codec.ts'
import type { SystemSource } from './system-view.ts'

/** A call is kept waiting for a change no longer. */
export const VIEW_WAIT_MS_MAX = 30_000

/** `system.view` answers the records with a version beyond the one that the caller has, as soon as there are any (a long poll):
 *  docs/formats/system.md. Once `stopping` is aborted nobody waits here any more. */
export function systemMethods(
  source: SystemSource,
  { clock, stopping }: { readonly clock: Clock; readonly stopping: AbortSignal },
): WireMethods {
  return {
    'system.view': {
      handle: async ({ header, signal }) => {
        const { after, waitMs } = readHeader(header)
        await changeAfter(source, after, { clock, waitMs, signal: AbortSignal.any([signal, stopping]) })
        if (stopping.aborted) throw new ShoalError('UNAVAILABLE', 'This node is stopping')
        const { view } = source
        return view.version > after ? { header: { version: view.version }, body: encodeView(view) } : {}
      },
    },
  }
}

function readHeader(header: WireHeader): { after: number; waitMs: number } {
  const { after, waitMs } = (header ?? {}) as Record<string, unknown>
  if (Number.isSafeInteger(after) && typeof waitMs === 'number' && waitMs >= 0)
    return { after: after as number, waitMs: Math.min(waitMs, VIEW_WAIT_MS_MAX) }
  throw new ShoalError('INVALID_ARGUMENT', 'A node asked for the records of the cluster in a way that makes no sense')
}

async function changeAfter(
  source: SystemSource,
  after: number,
  { clock, waitMs, signal }: { clock: Clock; waitMs: number; signal: AbortSignal },
): Promise<void> {
  if (source.view.version > after) return
  const over = new AbortController()
  const end = (): void => over.abort()
  const stop = source.onChange(end)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    await clock.sleep(waitMs, over.signal)
  } catch (error) {
    if (!isShoalError(error, 'CANCELLED')) throw error
  } finally {
    stop()
    signal.removeEventListener('abort', end)
  }
}
