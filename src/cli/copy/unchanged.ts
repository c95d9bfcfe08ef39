import { tryParseTimestamp } from '#foundation/timestamp.ts'
import type { RemoteEntry } from '#client/wire.ts'
import type { CopyContext } from './copy-context.ts'
import { openFileSource, sha256OfSource } from './file-source.ts'

/** Node.js sets file times as floating-point seconds, a quarter of a microsecond apart: times that near are the same. */
const SAME_TIME_NS = 1_000n

/** Whether the local file and the remote one are the same by size and time, or by content if `checksum` is set. */
export async function isUnchanged(context: CopyContext, { volume, remote, local, facts }: Comparison): Promise<boolean> {
  if (remote.type !== 'file' || remote.size !== facts.sizeBytes) return false
  if (context.settings.checksum) return (await localDigest(local)) === (await remoteDigest(context, volume, remote))
  const mtimeNs = tryParseTimestamp(remote.mtime)
  if (mtimeNs === undefined) return false
  const differenceNs = mtimeNs - facts.mtimeNs
  return differenceNs < SAME_TIME_NS && differenceNs > -SAME_TIME_NS
}

export interface Comparison {
  readonly volume: string
  readonly remote: RemoteEntry
  readonly local: Buffer
  readonly facts: { readonly sizeBytes: number; readonly mtimeNs: bigint }
}

async function localDigest(local: Buffer): Promise<string> {
  const source = openFileSource(local)
  try {
    return await sha256OfSource(source)
  } finally {
    await source.close()
  }
}

async function remoteDigest({ client, report }: CopyContext, volume: string, remote: RemoteEntry): Promise<string | undefined> {
  if (remote.sha256 !== undefined) return remote.sha256
  return (await client.headFile(volume, remote.path, { digest: true, signal: report.signal })).sha256
}
