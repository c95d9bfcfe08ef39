import { hostname } from 'node:os'
import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import { systemErrorCode } from './files.ts'
import type { Files, OpenFile } from './files.ts'

export const LOCK_NAME = 'lock'

/** Locks a folder, `what` by its name, against every other process until the lock is closed or this process ends, however it ends. @throws DATA_IN_USE */
export async function lockFolder(files: Files, root: string, what: string): Promise<OpenFile> {
  const lock = await openOrCreate(files, join(root, LOCK_NAME))
  try {
    if (!lock.tryLock()) throw await inUse(files, root, what)
    await lock.truncate(0)
    await lock.write([Buffer.from(`${JSON.stringify({ pid: process.pid, host: hostname() })}\n`)], 0)
    return lock
  } catch (error) {
    await lock.close()
    throw error
  }
}

async function openOrCreate(files: Files, path: string): Promise<OpenFile> {
  try {
    return await files.open(path, 'create', 0o600)
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error
    return files.open(path, 'update')
  }
}

async function inUse(files: Files, root: string, what: string): Promise<ShoalError> {
  const { pid, host } = parse(await files.read(join(root, LOCK_NAME)))
  const who = typeof pid === 'number' ? `process ${pid}${typeof host === 'string' ? ` on "${host}"` : ''}` : 'another process'
  return new ShoalError('DATA_IN_USE', `The ${what} "${root}" is in use by ${who}. Stop that one first, or name another folder`, {
    details: { path: root, ...(typeof pid === 'number' ? { pid } : {}) },
  })
}

function parse(bytes: Buffer | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
