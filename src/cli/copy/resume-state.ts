import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface SessionState {
  readonly id: string
  readonly partSizeBytes: number
}

/** Where the state of interrupted uploads is kept: `$XDG_STATE_HOME/shoal/uploads`, `~/.local/state/…` by default. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  const base = env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state')
  return join(base, 'shoal', 'uploads')
}

/** The session of one upload, so that a later run can go on with it: one small file, named by what is copied where. A file
 *  of another size or time has another name. */
export class ResumeState {
  readonly #path: string
  readonly #folder: string

  constructor(folder: string, identity: readonly string[]) {
    this.#folder = folder
    this.#path = join(folder, `${createHash('sha256').update(identity.join('\0')).digest('hex')}.json`)
  }

  read(): SessionState | undefined {
    try {
      const { id, partSizeBytes } = JSON.parse(readFileSync(this.#path, 'utf8')) as Record<string, unknown>
      return typeof id === 'string' && typeof partSizeBytes === 'number' ? { id, partSizeBytes } : undefined
    } catch {
      return undefined
    }
  }

  /** Best effort: without it, only the chance to resume is lost. */
  write(state: SessionState): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      writeFileSync(this.#path, JSON.stringify(state), { mode: 0o600 })
    } catch {
      // A home that can't be written must not keep a copy from being made.
    }
  }

  clear(): void {
    rmSync(this.#path, { force: true })
  }
}
