import * as fs from 'node:fs'
import type { OpenMode } from './files.ts'
import { writeDirectly } from './node-direct-write.ts'
import type { PublishingFile, PublishingFiles } from './publish.ts'

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants
export const FLAGS: Readonly<Record<OpenMode, number>> = { read: O_RDONLY, update: O_RDWR, create: O_RDWR | O_CREAT | O_EXCL }

/** What one system call writes at most. Linux takes page-cache pages as large as the write allows, and from 2 MiB on those
 *  are of the kind that a virtual machine hands back to its host when free, to be faulted in again: in one on ext4, files of 8 MiB
 *  written at once took three times the processor time of the same files in steps of up to 1 MiB. */
export const MAX_WRITE_BYTES = 1024 * 1024

class SyncFile implements PublishingFile {
  readonly #path: string
  readonly #fd: number

  constructor(path: string, fd: number) {
    this.#path = path
    this.#fd = fd
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    let at = position
    for (const piece of pieces) {
      const direct = writeDirectly(this.#path, piece, at)
      at += direct
      for (let from = direct; from < piece.length;) {
        const written = fs.writeSync(this.#fd, piece, from, Math.min(MAX_WRITE_BYTES, piece.length - from), at)
        from += written
        at += written
      }
    }
  }

  async setModified(modifiedMs: number): Promise<void> {
    fs.futimesSync(this.#fd, modifiedMs / 1_000, modifiedMs / 1_000)
  }

  async datasync(): Promise<void> {
    fs.fdatasyncSync(this.#fd)
  }

  async close(): Promise<void> {
    fs.closeSync(this.#fd)
  }
}

/** The machine's own file system for a thread that has nothing else to do: each call blocks. */
export const nodeSyncFiles: PublishingFiles = {
  async open(path, how, mode = 0o644) {
    return new SyncFile(path, fs.openSync(path, FLAGS[how], mode))
  },

  async rename(from, to) {
    fs.renameSync(from, to)
  },

  async remove(path) {
    const wasThere = fs.existsSync(path)
    fs.rmSync(path, { force: true })
    return wasThere
  },

  async syncFolder(path) {
    const fd = fs.openSync(path, O_RDONLY)
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  },
}
