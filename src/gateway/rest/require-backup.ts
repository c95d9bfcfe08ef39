import { ShoalError } from '#foundation/errors.ts'
import type { BackupSource } from './backup-source.ts'
import type { RestContext } from './route.ts'

/** @throws UNSUPPORTED on a node that has none */
export function requireBackup({ backup }: Pick<RestContext, 'backup'>): BackupSource {
  if (backup !== undefined) return backup
  throw new ShoalError('UNSUPPORTED', 'Backups are not made of this node')
}
