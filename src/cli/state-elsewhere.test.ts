import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { refuseStateWithin } from './state-elsewhere.ts'
import { startTestCli } from './test-cli.suite.ts'

test('what a mount keeps is refused in the directory that it covers, by whatever link it is named', async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-elsewhere-')))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'home/.local'), { recursive: true })
  symlinkSync('home', join(folder, 'link'))
  symlinkSync(join(folder, 'home/.local'), join(folder, 'state'))
  const refused = ['home', 'home/.local/none/yet', 'link/.local/x', 'state/shoal/mount-x', 'home/..x']
  for (const path of refused)
    await assert.rejects(
      refuseStateWithin(join(folder, 'home'), [folder, join(folder, path)]),
      { code: 'INVALID_ARGUMENT' },
      path,
    )
  await refuseStateWithin(
    join(folder, 'home'),
    ['homes/x', 'home/../x', 'link/../x', 'none/such'].map((path) => join(folder, path)),
  )
  await assert.rejects(refuseStateWithin('/', [folder]), { code: 'INVALID_ARGUMENT' })
})

test('a mount over a home directory says where it would keep its journal, and covers nothing', async () => {
  await using cli = await startTestCli()
  const home = join(cli.folder, 'home')
  mkdirSync(home)
  for (const flags of [[], ['--journal', '/var/none/such'], ['--write-mode', 'through']]) {
    const { code, err } = await cli.run('mount', 'none', home, '--foreground', ...flags)
    assert.equal(code, 2)
    assert.match(err, /XDG_STATE_HOME/)
  }
  const env = { XDG_STATE_HOME: '/var/none/such' }
  assert.equal((await cli.runWith({ env }, 'mount', 'none', home, '--foreground', '--journal', join(home, 'j'))).code, 2)
  assert.equal((await cli.runWith({ env }, 'mount', 'none', home, '--foreground')).code, 3)
})
