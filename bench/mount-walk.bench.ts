// npm run bench mount-walk [-- FILES [FOLDER]]: what a mount takes of memory when all files of a large volume are looked at, and after
// the kernel has forgotten them. The node's data are kept in FOLDER, where one is given, and used again. Needs root. The kernel is told
// to let go of all names and inodes of the whole machine.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ShoalClient } from '../src/client/shoal-client.ts'
import { isShoalError } from '../src/foundation/errors.ts'
import { RemoteUploads, type SmallUpload } from '../src/mount/remote-uploads.ts'
import { connect, MountedNode } from '../test/support/mounted-node.ts'
import { freePort, startNodeProcess } from '../test/support/node-process.ts'

const FOLDER_FILES = 1_000
const WINDOW_FILES = 4_000
const VOLUME = 'many'
const DROP_INODES = '2'
const IDLE_MS = 30_000

const files = Number(process.argv[2] ?? 1_000_000)
const folder = process.argv[3] ?? mkdtempSync(join(tmpdir(), 'shoal-bench-walk-'))
const folders = `$(seq -f d%g 0 ${Math.ceil(files / FOLDER_FILES) - 1})`
const isKept = process.argv[3] !== undefined
const made = join(folder, 'made')
mkdirSync(folder, { recursive: true })
const node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
const client = connect(node.origin)
const mounted = new MountedNode({ endpoint: node.origin, volume: VOLUME, state: folder })
try {
  await make(client, existsSync(made) ? Number(readFileSync(made, 'utf8')) : 0)
  await mounted.mount()
  // Until the changes of others are told, names are asked for anew.
  await delay(1_500)
  console.log(`| ${files.toLocaleString('en')} files | s | MB now | MB at most |\n|---|---|---|---|`)
  tell('mounted', 0)
  for (const [what, command] of [
    ['`find -printf %s`', `find ${folders} -type f -printf "%s\\n" | wc -l`],
    ['`ls -lR`', `ls -lR ${folders} | grep -c "^-"`],
  ] as const) {
    const startMs = performance.now()
    const printed = run(command)
    tell(what, performance.now() - startMs)
    assert.equal(Number(printed), files)
  }
  writeFileSync('/proc/sys/vm/drop_caches', DROP_INODES)
  await delay(IDLE_MS)
  tell(`the kernel has forgotten them, ${IDLE_MS / 1000} s later`, 0)
} finally {
  await mounted.remove()
  await client.close()
  await node.stop()
  if (!isKept) rmSync(folder, { recursive: true, force: true })
}

/** In the mount. */
function run(command: string): string {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `cd "$0" && ${command}`, mounted.directory], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

/** Goes on where an earlier run was stopped. */
async function make(to: ShoalClient, done: number): Promise<void> {
  if (done === 0) await to.createVolume(VOLUME).catch(() => undefined)
  const uploads = new RemoteUploads(to, VOLUME)
  for (let from = done; from < files; from += WINDOW_FILES) {
    const folders = Array.from({ length: WINDOW_FILES / FOLDER_FILES }, (_, at) => from + at * FOLDER_FILES).filter(
      (at) => at < files,
    )
    await Promise.all(
      folders.map(async (first) => {
        await to.makeDirectory(VOLUME, folderOf(first), { parents: true })
        const count = Math.min(FOLDER_FILES, files - first)
        const results = await uploads.storeSmall(Array.from({ length: count }, (_, at) => emptyFile(first + at)))
        for (const result of results)
          assert.ok(!(result instanceof Error) || isShoalError(result, 'PRECONDITION_FAILED'), 'A file could not be made')
      }),
    )
    writeFileSync(made, String(Math.min(files, from + WINDOW_FILES)))
  }
}

function folderOf(at: number): string {
  return `d${Math.floor(at / FOLDER_FILES)}`
}

function emptyFile(at: number): SmallUpload {
  return { kind: 'file', path: `${folderOf(at)}/file-${at}`, bytes: Buffer.alloc(0), attributes: {}, replaces: 'absent' }
}

/** Of the process that serves the mount. */
function tell(what: string, elapsedMs: number): void {
  const status = readFileSync(`/proc/${mounted.pid}/status`, 'utf8')
  const megabytes = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024)
  console.log(`| ${what} | ${(elapsedMs / 1000).toFixed(1)} | ${megabytes('VmRSS')} | ${megabytes('VmHWM')} |`)
}
