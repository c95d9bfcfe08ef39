import type { RunningNode } from './start-node.ts'

/** SIGHUP makes a node look for another certificate at once, as programs that renew certificates expect it of a service.
 *  Without files to look at it ends the process, as the system does by default when a terminal is closed. */
export function reloadOnHangup({ tls }: Pick<RunningNode, 'tls'>): void {
  if (tls?.origin === 'configured') process.on('SIGHUP', () => void tls.reload())
}
