import { lstatSync } from 'node:fs'
import type { CopyContext } from './copy-context.ts'
import { withLocalPath } from './local-path.ts'
import { walkLocal } from './local-walk.ts'

/** So many entries are looked at before others get their turn. */
const ENTRIES_PER_TURN = 200

export interface Amount {
  bytes: number
  files: number
}

/** Adds what is below a local directory to `total`, in turns with the copy that goes on meanwhile. */
export async function estimateLocal({ report, settings }: CopyContext, local: Buffer, total: Amount): Promise<void> {
  let entries = 0
  for (const { kind, local: path } of walkLocal(local, { follow: settings.follow, onError: () => undefined })) {
    entries += 1
    if (entries % ENTRIES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    if (report.stopped) return
    if (kind !== 'file' && kind !== 'symlink') continue
    total.files += 1
    if (kind === 'file') total.bytes += withLocalPath(path, (short) => lstatSync(short, { throwIfNoEntry: false })?.size ?? 0)
  }
}

/** Adds what is below a directory of a volume. */
export async function estimateRemote(
  { client, report }: CopyContext,
  { volume, path }: { volume: string; path: string },
  total: Amount,
): Promise<void> {
  for await (const { type, size } of client.list(volume, path, { recursive: true, limit: 5_000, signal: report.signal })) {
    if (type === 'directory') continue
    total.files += 1
    total.bytes += size
  }
}
