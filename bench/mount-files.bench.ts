// npm run bench mount-files [-- FILES]: small files in a mount, written through and written back, and the same on the machine's own
// disk: made, looked at, read, removed, and a tarball of them unpacked. Seconds until the programs are done, and until all is sent.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { mountStateFile } from '#cli/mount-state-file.ts'
import { connect, MountedNode } from '../test/support/mounted-node.ts'
import { freePort, startNodeProcess } from '../test/support/node-process.ts'

const files = Number(process.argv[2] ?? 5_000)
const FOLDER_FILES = 100
const CONTENT_BYTES = 3_000

/** In a language whose own speed counts little, and that starts no process for each file. */
const WORK = `
import os, sys
what, root, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
names = [os.path.join(root, 'd%d' % (at // ${FOLDER_FILES}), 'f%d' % at) for at in range(count)]
if what == 'create':
    for at, name in enumerate(names):
        if at % ${FOLDER_FILES} == 0: os.makedirs(os.path.dirname(name))
        with open(name, 'wb') as file: file.write(b'%08d' % at * ${CONTENT_BYTES / 8})
elif what == 'stat':
    for name in names: assert os.stat(name).st_size == ${CONTENT_BYTES}
elif what == 'read':
    for name in names:
        with open(name, 'rb') as file: assert len(file.read()) == ${CONTENT_BYTES}
else:
    for at, name in enumerate(names):
        os.remove(name)
        if at % ${FOLDER_FILES} == ${FOLDER_FILES - 1}: os.rmdir(os.path.dirname(name))
`

const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-files-'))
const archive = join(folder, 'files.tar')
const local = join(folder, 'local')
mkdirSync(local)
const node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
const client = connect(node.origin)
const rows: string[] = []
try {
  measure('ext4', local, () => undefined)
  for (const mode of ['through', 'back']) {
    const volume = `bench-${mode}`
    await client.createVolume(volume)
    const mounted = new MountedNode({ endpoint: node.origin, volume, state: folder, flags: ['--write-mode', mode] })
    try {
      await mounted.mount()
      await delay(1_500)
      measureMount(mode, mounted)
    } finally {
      await mounted.remove()
    }
  }
  console.log(`| ${files} files of ${CONTENT_BYTES} bytes | create | stat | read | remove | untar |\n|---|---|---|---|---|---|`)
  for (const row of rows) console.log(row)
} finally {
  await client.close()
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
}

function measure(name: string, root: string, sent: () => string | undefined): void {
  const cells = ['create', 'stat', 'read'].map((what) => cell(work(what, root), sent()))
  if (name === 'ext4') run('tar', ['-C', root, '-cf', archive, '.'])
  cells.push(cell(work('remove', root), sent()))
  cells.push(cell(run('tar', ['-C', root, '-xf', archive]), sent()))
  run('rm', ['-r', ...spawnSync('sh', ['-c', 'ls -d "$0"/d*', root], { encoding: 'utf8' }).stdout.trim().split('\n')])
  rows.push(`| ${name} | ${cells.join(' | ')} |`)
}

/** The state is told once a second. */
function measureMount(mode: string, { directory }: MountedNode): void {
  const status = mountStateFile(directory, '.status', { XDG_STATE_HOME: folder })
  const script = `sleep 1; until grep -q '"pending":0' "$0"; do sleep 0.05; done`
  measure(mode, directory, () => (mode === 'back' ? run('sh', ['-c', script, status]).toFixed(1) : undefined))
}

function cell(seconds: number, sent: string | undefined): string {
  return `${Math.round(files / seconds).toLocaleString('en')}/s${sent === undefined ? '' : `, then ${sent} s`}`
}

function work(what: string, root: string): number {
  return run('python3', ['-c', WORK, what, root, String(files)])
}

/** Seconds. */
function run(command: string, args: readonly string[]): number {
  const startMs = performance.now()
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 600_000 })
  assert.equal(status, 0, `${command} ${args.slice(0, 3).join(' ')}: ${stderr}`)
  return (performance.now() - startMs) / 1000
}
