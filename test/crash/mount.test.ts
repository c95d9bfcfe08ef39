import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import { killRound } from './mount-kills.ts'

// `npm test test/crash/mount.soak.ts` has a hundred rounds.
test('what close and fsync have answered is there after a mount was killed', { skip: noMounts, timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-mount-kills-'))
  const node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  const client = connect(node.origin)
  await client.createVolume('killed')
  const mounted = new MountedNode({ endpoint: node.origin, volume: 'killed', state: folder })
  t.after(async () => {
    await mounted.remove()
    await client.close()
    await node.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const model = new Map<string, string>()
  for (const round of [1, 2])
    await killRound({ mounted, client, volume: 'killed' }, model, { seed: round * 104_729, afterMs: 300 + round * 100 })
})
