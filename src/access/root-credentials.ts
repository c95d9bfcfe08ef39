import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import type { Credentials } from './principal.ts'
import { randomKey } from './random-key.ts'

export interface RootCredentials extends Credentials {
  /** Where they come from: `made` just now, and to be shown this once; `kept` in the data folder; `configured`. */
  readonly origin: 'made' | 'kept' | 'configured'
}

const FileSchema = z.object({ accessKey: z.string().min(3).max(128), secretKey: z.string().min(8).max(128) })

/** The root key of the node with the data folder `dataPath`: as configured, else as kept in `root-credentials.json`, else
 *  made now and kept there (mode 0600, durable when the promise resolves). @throws DATA_FORMAT, STORAGE_FAILED, NO_SPACE */
export async function loadRootCredentials(
  dataPath: string,
  ports: { readonly files: Files; readonly random: Random },
  configured?: Credentials,
): Promise<RootCredentials> {
  if (configured !== undefined) return { ...configured, origin: 'configured' }
  const kept = await readRootCredentials(dataPath, ports.files)
  if (kept !== undefined) return { ...kept, origin: 'kept' }
  const made = randomKey(ports.random)
  const path = rootCredentialsPath(dataPath)
  try {
    await ports.files.publish(path, [Buffer.from(`${JSON.stringify(made, undefined, 2)}\n`)], { mode: 0o600 })
  } catch (cause) {
    throw storageError(cause, `keep the root credentials in ${path}`)
  }
  return { ...made, origin: 'made' }
}

/** The root key kept in a data folder, or `undefined`: also how the command line on the node's own machine finds it.
 *  @throws DATA_FORMAT if the file is damaged */
export async function readRootCredentials(dataPath: string, files: Pick<Files, 'read'>): Promise<Credentials | undefined> {
  const path = rootCredentialsPath(dataPath)
  const content = await files.read(path)
  if (content === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(content.toString('utf8'))
  } catch (cause) {
    throw damaged(path, cause)
  }
  const parsed = FileSchema.safeParse(value)
  if (!parsed.success) throw damaged(path, parsed.error)
  return parsed.data
}

export function rootCredentialsPath(dataPath: string): string {
  return `${dataPath}/root-credentials.json`
}

function damaged(path: string, cause: unknown): ShoalError {
  return new ShoalError(
    'DATA_FORMAT',
    `"${path}" holds no root credentials: {"accessKey":"…","secretKey":"…"} is expected. Restore it, or remove it and the next start makes new ones`,
    { cause },
  )
}
