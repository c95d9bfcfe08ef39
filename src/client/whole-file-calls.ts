import { filePath, TREE_TIMEOUT_MS, writeHeaders } from './call-parts.ts'
import { type ByteSource, checkStored, hashedBody } from './hashed-source.ts'
import type { SendJson } from './key-calls.ts'
import type { WriteSettings } from './upload.ts'
import type { RemoteEntry } from './wire.ts'

/** Further ones would be silent for longer than usual while they are stored. */
const SHORT_BYTES = 64 * 1024 * 1024

export interface WholeFileSettings extends Pick<WriteSettings, 'mode' | 'mtime' | 'ifNoneMatch' | 'parents'> {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Of an eventual volume: the entity tag of the version that was read. What others have written since stays beside this one. */
  readonly base?: string | undefined
}

/** Files that are replaced in one call, whatever their length, so that each is one version. */
export class WholeFileCalls {
  readonly #send: SendJson

  constructor(send: SendJson) {
    this.#send = send
  }

  /** What was stored is compared with what was sent by SHA-256. @throws PRECONDITION_FAILED; what reading `source` throws */
  async write(volume: string, path: string, source: ByteSource, settings: WholeFileSettings): Promise<RemoteEntry> {
    const { sizeBytes } = source
    const { uid, gid, base } = settings
    const body = hashedBody(source, { offset: 0, length: sizeBytes }, () => undefined)
    const entry = await this.#send<RemoteEntry>({
      method: 'PUT',
      path: filePath(volume, path, settings),
      headers: {
        ...writeHeaders(settings),
        'content-length': String(sizeBytes),
        ...(uid === undefined ? {} : { 'x-shoal-uid': String(uid) }),
        ...(gid === undefined ? {} : { 'x-shoal-gid': String(gid) }),
        ...(base === undefined ? {} : { 'x-shoal-base': base }),
      },
      body: body.open,
      idempotent: settings.ifNoneMatch === undefined,
      ...(sizeBytes > SHORT_BYTES ? { silenceTimeoutMs: TREE_TIMEOUT_MS } : {}),
    })
    checkStored({ what: `"${path}"`, sent: body.digest(), stored: entry.sha256 })
    return entry
  }
}
