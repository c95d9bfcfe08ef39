// What a fake server keeps, and how it shows it.

import { createHash } from 'node:crypto'
import type { ErrorCode } from '#foundation/errors.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { EntryType, RemoteEntry, RemotePart } from './wire.ts'

export interface FakeFile {
  type: EntryType
  bytes: Buffer
  mode: string
  mtime: string
  inode: number
  version: number
  target?: string
}

export interface FakeUpload {
  id: string
  path: string
  settings: Record<string, string>
  parts: Map<number, { info: RemotePart; bytes: Buffer }>
}

export interface FakeVolume {
  policy: Record<string, unknown>
  files: Map<string, FakeFile>
  uploads: Map<string, FakeUpload>
}

export class Problem extends Error {
  readonly status: number
  readonly code: ErrorCode

  constructor(status: number, code: ErrorCode, detail: string) {
    super(detail)
    this.status = status
    this.code = code
  }
}

export function need(volume: FakeVolume, path: string): FakeFile {
  if (path === '')
    return {
      type: 'directory',
      bytes: Buffer.alloc(0),
      mode: '0755',
      mtime: '2026-01-01T00:00:00.000000000Z',
      inode: 1,
      version: 1,
    }
  const file = volume.files.get(path)
  if (file === undefined) throw new Problem(404, 'NOT_FOUND', `There is no "${path}"`)
  return file
}

export function entry(path: string, file: FakeFile, withTarget = false): RemoteEntry {
  const { mtime, type, mode, inode, target } = file
  const common = { path, name: path.slice(path.lastIndexOf('/') + 1), type, inode, mode, uid: 0, gid: 0, links: 1, rdev: 0 }
  const times = { mtime, atime: mtime, ctime: mtime, btime: mtime }
  const digest = type === 'file' ? { sha256: sha256Of(file.bytes) } : {}
  const link = withTarget && target !== undefined ? { target } : {}
  return { ...common, ...times, size: file.bytes.length, etag: `"${inode}-${file.version}"`, ...digest, ...link }
}

export function settings(mode: unknown, mtime: unknown): Partial<FakeFile> {
  const text = typeof mtime === 'string' && /^-?\d+$/.test(mtime) ? formatTimestamp(BigInt(mtime)) : mtime
  return { ...(typeof mode === 'string' ? { mode } : {}), ...(typeof text === 'string' ? { mtime: text } : {}) }
}

export function describeUpload({ id, path, parts }: FakeUpload): object {
  return {
    id,
    path,
    started: '2026-01-01T00:00:00Z',
    expires: '2027-01-01T00:00:00Z',
    parts: [...parts.values()].map((part) => part.info),
  }
}

export function status(volumes: Map<string, FakeVolume>): object {
  const chunks = { chunks: 1, liveBytes: 10, storedBytes: 20, capacityBytes: 1_000_000, freeBytes: 500_000 }
  const identity = {
    version: '0.1.0',
    nodeId: 'n1',
    clusterId: 'c1',
    startedAt: '2026-01-01T00:00:00Z',
    uptimeSeconds: 61,
    state: 'serving',
  }
  return {
    ...identity,
    volumes: volumes.size,
    usage: { bytes: 10, files: 1 },
    chunks,
    garbage: { chunks: 0, hasMore: false },
    metadata: { mode: 'home' as const },
    uploads: 0,
    changes: { cursor: '1' },
  }
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
