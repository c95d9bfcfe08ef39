/** What is removed while a mount has it open, and what has no name yet, lies in the volume's root under such a name, which
 *  mounts don't show: the prefix, the mount's 32 hexadecimal characters where it has a session, and something more. */
export const HIDDEN_PREFIX = '.shoal-removed-'

/** The mount that has use for a hidden file; `undefined` for a name that doesn't say. */
export function mountOfHidden(name: string): string | undefined {
  if (!name.startsWith(HIDDEN_PREFIX)) return undefined
  return /^([0-9a-f]{32})-/.exec(name.slice(HIDDEN_PREFIX.length))?.[1]
}
