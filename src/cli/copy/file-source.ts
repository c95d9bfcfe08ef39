import { close, constants, fstatSync, openSync, read } from 'node:fs'
import { promisify } from 'node:util'
import { createHash } from 'node:crypto'
import type { ByteSource } from '#client/hashed-source.ts'
import { ShoalError } from '#foundation/errors.ts'
import { withLocalPath } from './local-path.ts'

const readAsync = promisify(read)
const closeAsync = promisify(close)
/** Few calls a GiB, and small enough that a dozen files on their way don't weigh. */
const READ_BYTES = 512 * 1024

/** An open local file as what an upload reads from. */
export interface FileSource extends ByteSource {
  readonly modeBits: number
  readonly mtimeNs: bigint
  /** Device and inode: which file it is, whatever its name. */
  readonly identity: string
  /** @throws CONFLICT if the file is not what it was when it was opened */
  checkUnchanged(): void
  close(): Promise<void>
}

/** @throws what the operating system says; INVALID_ARGUMENT for what is not a file */
export function openFileSource(local: Buffer): FileSource {
  // O_NONBLOCK: a FIFO in place of the file must not hold the copy up.
  const fd = withLocalPath(local, (path) => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
  const facts = fstatSync(fd, { bigint: true })
  if (!facts.isFile()) {
    void closeAsync(fd)
    throw new ShoalError('INVALID_ARGUMENT', 'This is not a regular file')
  }
  return {
    sizeBytes: Number(facts.size),
    modeBits: Number(facts.mode) & 0o7777,
    mtimeNs: facts.mtimeNs,
    identity: `${facts.dev}:${facts.ino}`,
    async *read(offset, length) {
      const end = offset + length
      for (let at = offset; at < end;) {
        const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, end - at))
        const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, at)
        if (bytesRead === 0) return
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    },
    checkUnchanged() {
      const now = fstatSync(fd, { bigint: true })
      if (now.size !== facts.size || now.mtimeNs !== facts.mtimeNs) {
        throw new ShoalError('CONFLICT', 'The file changed while it was being copied: copy it again')
      }
    },
    close: () => closeAsync(fd),
  }
}

export async function sha256OfSource(source: ByteSource): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of source.read(0, source.sizeBytes)) hash.update(chunk)
  return hash.digest('hex')
}

export function octal(modeBits: number): string {
  return modeBits.toString(8).padStart(4, '0')
}
