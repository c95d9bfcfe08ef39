import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Why there can't be one here; `false` if there can. */
export const noReferenceDisk: string | false = existsSync('/dev/loop-control') ? false : 'there are no loop devices'

const IMAGE_BYTES = 2 * 1024 ** 3
const run = promisify(execFile)

/** An ext4 of its own. It opens no devices and doesn't tell when files were read, as mounts don't, and has room for all attributes that Linux takes. */
export class ReferenceDisk {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async mount(folder: string): Promise<ReferenceDisk> {
    const image = join(folder, 'ext4.img')
    const directory = join(folder, 'ext4')
    await writeFile(image, '')
    await truncate(image, IMAGE_BYTES)
    await run('mkfs.ext4', ['-q', '-I', '512', '-O', 'ea_inode', image])
    await mkdir(directory)
    await run('mount', ['-o', 'loop,noatime,nodev', image, directory])
    return new ReferenceDisk(directory)
  }

  async unmount(): Promise<void> {
    await run('umount', [this.directory])
  }
}
