import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { CopyContext } from './copy-context.ts'
import { openFileSource, sha256OfSource } from './file-source.ts'

/** Reads both sides of a copy anew and compares them. @throws DIGEST_MISMATCH */
export async function verifyCopy(
  { client, report }: CopyContext,
  { volume, path, local }: { volume: string; path: string; local: Buffer },
): Promise<void> {
  const source = openFileSource(local)
  try {
    const hash = createHash('sha256')
    const { head, body } = await client.openFile(volume, path, { signal: report.signal })
    for await (const chunk of body) hash.update(chunk)
    const [here, there] = [await sha256OfSource(source), hash.digest('hex')]
    if (head.sizeBytes === source.sizeBytes && here === there) return
    throw new ShoalError(
      'DIGEST_MISMATCH',
      `The copy is not the same: SHA-256 ${here} and ${source.sizeBytes} bytes here, ${there} and ${head.sizeBytes} bytes in the volume`,
    )
  } finally {
    await source.close()
  }
}
