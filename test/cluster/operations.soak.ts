// The pages for operators that `npm test` has no time for, followed step by step: `npm run operations` takes some five minutes.

import { Machines, sectionsOf } from './followed-page.ts'

const machines = await Machines.make()
try {
  for (const [page, only] of [['cluster.md', 'Starting three nodes'], ['backup.md'], ['etcd.md']] as const) {
    for (const [section, steps] of sectionsOf(page)) {
      if (only !== undefined && section !== only) continue
      const beganMs = performance.now()
      await machines.follow(steps)
      console.log(`${page}: ${section}: ${Math.round((performance.now() - beganMs) / 1000)} s`)
    }
  }
} finally {
  await machines.dispose()
}
