// Checks what S3 knows of a volume as a bucket.

import { tryDecodeSettings } from './bucket-settings.ts'
import type { Steps, VolumeCheck } from './fsck-check.ts'
import { settingsKey } from './keys.ts'

export function* checkSettings(check: VolumeCheck): Steps {
  const key = settingsKey(check.prefix)
  const row = check.snapshot.get(key)
  if (row === undefined || tryDecodeSettings(row) !== undefined) return
  yield {
    problem: 'settings-unreadable',
    where: `${check.record.name}: settings`,
    detail: "the settings of the bucket can't be read; they are removed",
    mend: check.mend((t) => {
      const now = t.tx.get(key)
      if (now !== undefined && tryDecodeSettings(now) === undefined) t.tx.delete(key)
    }),
  }
}
