import { encodePath } from './remote-path.ts'
import type { WriteSettings } from './upload.ts'

export interface SignalOption {
  readonly signal?: AbortSignal | undefined
}

/** Copying or removing a large tree is one call that answers when it is through. */
export const TREE_TIMEOUT_MS = 60 * 60 * 1000

export function volumePath(volume: string): string {
  return `/volumes/${encodeURIComponent(volume)}`
}

/** The path of a call about something in a volume. */
export function target(volume: string, kind: 'files' | 'entries' | 'attributes' | 'batch', path: string): string {
  return `${volumePath(volume)}/${kind}/${encodePath(path)}`
}

export function filePath(volume: string, path: string, settings: WriteSettings): string {
  return target(volume, 'files', path) + (settings.parents === false ? '?parents=false' : '')
}

export function jsonBody(value: object, headers: Record<string, string> = {}): { headers: Record<string, string>; body: string } {
  return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) }
}

export function writeHeaders(settings: WriteSettings): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream' }
  if (settings.mode !== undefined) headers['x-shoal-mode'] = settings.mode
  if (settings.mtime !== undefined) headers['x-shoal-mtime'] = settings.mtime
  if (settings.ifMatch !== undefined) headers['if-match'] = settings.ifMatch
  if (settings.ifNoneMatch !== undefined) headers['if-none-match'] = settings.ifNoneMatch
  return headers
}

/** A conditional write that went through would refuse its own repetition. */
export function retryOf(settings: WriteSettings): { idempotent: boolean; signal: AbortSignal | undefined } {
  return { idempotent: settings.ifMatch === undefined && settings.ifNoneMatch === undefined, signal: settings.signal }
}
