import type { ShoalClient } from '#client/shoal-client.ts'
import { partSizeFor } from '#client/upload.ts'
import type { RemoteUpload } from '#client/wire.ts'
import type { SessionState } from './resume-state.ts'

/** The unfinished upload of `path` that has most of a file of `sizeBytes`, if any of them can be one of it. */
export async function findUpload(
  client: ShoalClient,
  { volume, path, sizeBytes }: { readonly volume: string; readonly path: string; readonly sizeBytes: number },
): Promise<SessionState | undefined> {
  let best: SessionState | undefined
  let bestBytes = 0
  for await (const upload of client.listUploads(volume)) {
    if (upload.path !== path) continue
    const bytes = upload.parts.reduce((sum, part) => sum + part.size, 0)
    const partSizeBytes = partSizeOf(upload, sizeBytes)
    if (partSizeBytes === undefined || bytes <= bestBytes) continue
    best = { id: upload.id, partSizeBytes }
    bestBytes = bytes
  }
  return best
}

/** The one length that all parts but the last must have, for those that are there to be parts of a file of `sizeBytes`. */
function partSizeOf({ parts }: RemoteUpload, sizeBytes: number): number | undefined {
  const longest = parts.reduce((most, part) => Math.max(most, part.size), 0)
  return [partSizeFor(sizeBytes), longest].find(
    (length) =>
      length > 0 &&
      parts.every((part) => part.size > 0 && part.size === Math.min(length, sizeBytes - (part.number - 1) * length)),
  )
}
