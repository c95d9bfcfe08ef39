import { createHash } from 'node:crypto'
import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Io } from './io.ts'

/** Endings of what is kept of a mount: a directory that ends so has another name. */
const ENDINGS = /\.(cache|drafts|log|session|status)$/
/** A name has 255 bytes at most, with its ending. */
const NAME_BYTES_MAX = 200

/** Where this machine keeps something of the mount at a directory: under a name that no other directory has. */
export function mountStateFile(directory: string, ending: string, env: Io['env']): string {
  const file = `mount${nameOf(directory)}${ending}`
  const given = env['XDG_STATE_HOME']
  // Others don't count: https://specifications.freedesktop.org/basedir-spec/latest/. A mount leaves the folder in which it was started.
  const folder = given !== undefined && isAbsolute(given) ? given : stateOf(env['HOME'] ?? homeOfUser())
  // What mounts at the start of the machine has no home.
  if (folder === undefined) return join(ending === '.log' ? '/var/log/shoal' : '/var/lib/shoal', file)
  return join(folder, 'shoal', file)
}

function stateOf(home: string | undefined): string | undefined {
  return home === undefined ? undefined : join(home, '.local', 'state')
}

/** mount(8) takes the environment away, also from users who may mount by /etc/fstab. */
function homeOfUser(): string | undefined {
  const { uid, homedir } = userInfo()
  return uid === 0 ? undefined : homedir
}

/** `/a/b` and `/a-b` are two. */
function nameOf(directory: string): string {
  const name = directory.replaceAll('/', '-')
  const isPlain = !directory.includes('-') && !ENDINGS.test(directory) && Buffer.byteLength(name) <= NAME_BYTES_MAX
  if (isPlain) return name
  const digest = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  return `${Buffer.from(name)
    .subarray(0, NAME_BYTES_MAX)
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, '_')}~${digest}`
}
