import type { Log } from '#observe/log.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'

/** Of a few sessions. */
const NOTE_BYTES_MAX = 4 * 1024
const SESSION = /^[0-9a-f]{32}$/

export interface NotedSession {
  readonly session: string
  readonly leaseMs: number
}

export interface SessionNoteOptions {
  readonly files: AppendFiles
  /** Absolute; of the mounts of one directory. */
  readonly path: string
  /** Which volume of which cluster. */
  readonly identity: string
  readonly log: Log
}

/** By which sessions a mount holds locks, written down for the next mount of its directory: if this one is killed, that one can end them.
 *  Whoever takes the note up is alone with it until its process ends. */
export class SessionNote {
  readonly #options: SessionNoteOptions
  readonly #file: AppendFile
  #syncing: Promise<void> = Promise.resolve()
  /** Of earlier mounts that didn't end them: nobody uses them any more. */
  readonly former: readonly NotedSession[]

  private constructor(options: SessionNoteOptions, file: AppendFile) {
    this.#options = options
    this.#file = file
    this.former = formerIn(file, options.identity)
  }

  /** `undefined` while an earlier mount runs, which serves those who use it still. @throws what the system says */
  static take(options: SessionNoteOptions): SessionNote | undefined {
    const file = options.files.open(options.path)
    if (file.tryLock()) return new SessionNote(options, file)
    file.close()
    return undefined
  }

  /** There for the next mount if this process is killed, and soon after a loss of power. */
  write(sessions: readonly NotedSession[]): void {
    try {
      this.#file.cut(0)
      if (sessions.length > 0) this.#file.append([Buffer.from(JSON.stringify({ identity: this.#options.identity, sessions }))])
      this.#syncing = this.#syncing.then(() => this.#file.datasync()).catch((error: unknown) => this.#warn(error))
    } catch (error) {
      this.#warn(error)
    }
  }

  async close(): Promise<void> {
    await this.#syncing
    this.#file.close()
  }

  #warn(error: unknown): void {
    this.#options.log.warn('The session of the mount could not be written down: killed, it keeps its locks for their lease', {
      error,
    })
  }
}

/** What can't be read, or is another volume's, says nothing. */
function formerIn(file: AppendFile, identity: string): readonly NotedSession[] {
  const bytes = Buffer.alloc(Math.min(file.sizeBytes, NOTE_BYTES_MAX))
  const text = bytes.subarray(0, file.read(bytes, 0)).toString()
  try {
    const noted = JSON.parse(text) as { readonly identity: unknown; readonly sessions: readonly NotedSession[] }
    if (noted.identity !== identity) return []
    return noted.sessions.filter(({ session, leaseMs }) => SESSION.test(session) && Number.isSafeInteger(leaseMs))
  } catch {
    return []
  }
}
