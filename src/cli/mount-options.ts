import { usageError } from './usage-error.ts'

/** What mount(8) passes on and a mount has no use for: when and by whom it is mounted, and what holds for it anyway. */
const IGNORED = new Set(
  '_netdev,auto,noauto,defaults,nofail,user,nouser,users,owner,group,rw,dev,nodev,suid,nosuid,exec,async,atime,noatime,relatime,norelatime,diratime,nodiratime'.split(
    ',',
  ),
)
const SWITCHES: Readonly<Record<string, string>> = {
  ro: 'read-only',
  noexec: 'no-exec',
  allow_other: 'allow-other',
  noxattr: 'no-xattrs',
  soft: 'soft',
  'no-ask-on-open': 'no-ask-on-open',
  'no-keep-awake': 'no-keep-awake',
}
/** As for mount(8) the later one of two holds. */
const OPPOSITES: Readonly<Record<string, string>> = { rw: '--read-only', exec: '--no-exec' }
const VALUES = new Set([
  'endpoint',
  'access-key',
  'secret-key',
  'ca-file',
  'profile',
  'data',
  'log-file',
  'lock-lease',
  'write-mode',
  'journal',
  'journal-size',
  'cache-size',
])
/** mount(8) calls its helpers with them: sloppy, without /etc/mtab, verbose. */
const HELPER_FLAGS = new Set(['-s', '-n', '-v'])

/** Writes options as mount(8) has them (`-o ro,endpoint=…`) out as those of `shoal mount`. @throws a usage error */
export function spreadMountOptions(args: readonly string[]): string[] {
  const spread: string[] = []
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] as string
    if (arg === '--') return [...spread, ...args.slice(at)]
    if (HELPER_FLAGS.has(arg)) continue
    if (arg === '-o' || arg === '--options') {
      at += 1
      spread.push(...spreadList(args[at] ?? ''))
    } else if (arg.startsWith('-o')) spread.push(...spreadList(arg.slice(2)))
    else if (arg.startsWith('--options=')) spread.push(...spreadList(arg.slice('--options='.length)))
    else spread.push(arg)
  }
  return spread
}

function spreadList(list: string): string[] {
  return list
    .split(',')
    .filter((option) => option !== '')
    .reduce((spread: string[], option) => {
      const [name, ...rest] = option.split('=') as [string, ...string[]]
      const long = SWITCHES[name]
      if (rest.length === 0 && long !== undefined) return [...spread, `--${long}`]
      if (rest.length > 0 && VALUES.has(name)) return [...spread, `--${name}=${rest.join('=')}`]
      if (IGNORED.has(name) || name.startsWith('x-') || name.startsWith('comment'))
        return spread.filter((earlier) => earlier !== OPPOSITES[name])
      throw usageError(`shoal mount has no option "${option}" for -o: see shoal mount --help`)
    }, [])
}
