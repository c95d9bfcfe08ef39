import * as fs from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import type { Handing } from './handing.ts'

/** What a node calls the folder, in its data folder. */
const FOLDER_NAME = 'handed'

/** Hard links: link(2). */
export const nodeHanding: Handing = {
  isTakenAt(folder, clusterId) {
    if (!isAbsolute(folder) || basename(folder) !== FOLDER_NAME) return false
    try {
      const { mode, uid } = fs.lstatSync(folder)
      const format = JSON.parse(fs.readFileSync(join(dirname(folder), 'format.json'), 'utf8')) as { readonly clusterId?: unknown }
      return (mode & 0o170_077) === fs.constants.S_IFDIR && isTrusted(uid) && format.clusterId === clusterId
    } catch {
      return false
    }
  },

  give(path, { folder, name }) {
    try {
      fs.linkSync(path, join(folder, name))
      return true
    } catch {
      return false
    }
  },

  takeBack({ folder, name }) {
    fs.rmSync(join(folder, name), { force: true })
  },
}

/** Root may put its files where another user's node reads them; nobody else gets that far. */
function isTrusted(uid: number): boolean {
  const own = process.geteuid?.()
  return own === 0 || uid === own
}
