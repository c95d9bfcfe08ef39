import { join } from 'node:path'
import type { Io } from './io.ts'

/** Where this machine keeps something of the mount at a directory. */
export function mountStateFile(directory: string, ending: string, { HOME, XDG_STATE_HOME }: Io['env']): string {
  const file = `mount${directory.replaceAll('/', '-')}${ending}`
  // What mounts at the start of the machine has no home.
  if (XDG_STATE_HOME === undefined && HOME === undefined)
    return join(ending === '.log' ? '/var/log/shoal' : '/var/lib/shoal', file)
  return join(XDG_STATE_HOME ?? join(HOME as string, '.local', 'state'), 'shoal', file)
}
