// npm test test/crash/mount.soak.ts: kills a mount that writes back a hundred times, or SHOAL_ROUNDS.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import { killRound } from './mount-kills.ts'

const rounds = Number(process.env['SHOAL_ROUNDS'] ?? 100)

test(`what close and fsync have answered is there after each of ${rounds} kills of a mount`, { skip: noMounts }, async (t) => {
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
  let [changes, synced] = [0, 0]
  for (let round = 1; round <= rounds; round += 1) {
    const facts = await killRound({ mounted, client, volume: 'killed' }, model, {
      seed: round * 7919,
      afterMs: 200 + ((round * 137) % 900),
    })
    changes += facts.changes
    synced += facts.synced
  }
  t.diagnostic(`${changes} changes, ${synced} files looked for in the cluster after their fsync`)
  assert.ok(synced > 0)
})
