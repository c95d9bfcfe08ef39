// npm test [FILE|FOLDER|GLOB …] [--name PATTERN]: runs the tests with node:test; all but *.soak.ts by default.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'

const EVERYTHING = ['src/**/*.test.ts', 'test/**/*.test.ts']
// A test that hangs is a failure; the crash tests are the slowest.
const TEST_MS_MAX = 600_000
// Two cores are what the project is measured on.
const CONCURRENCY = 2

/** Debian packages that tests run programs of. */
const DEBIAN_PACKAGES: readonly { readonly name: string; readonly program: string }[] = [
  { name: 'awscli', program: 'aws' },
  { name: 'cadaver', program: 'cadaver' },
  { name: 'davfs2', program: '/usr/sbin/mount.davfs' },
  { name: 'e2fsprogs', program: '/usr/sbin/mkfs.ext4' },
  { name: 'etcd-client', program: 'etcdctl' },
  { name: 'etcd-server', program: 'etcd' },
  { name: 'fuse3', program: 'fusermount3' },
  { name: 'litmus', program: 'litmus' },
  { name: 'rclone', program: 'rclone' },
  { name: 'restic', program: 'restic' },
  { name: 's3cmd', program: 's3cmd' },
  { name: 'wrk', program: 'wrk' },
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', multiple: true, short: 't' } },
})

installDebianPackages()
const patterns =
  positionals.length === 0 ? EVERYTHING : positionals.map((path) => (isFolder(path) ? `${path}/**/*.test.ts` : path))
let ran = 0
const stream = run({
  globPatterns: patterns,
  concurrency: CONCURRENCY,
  timeout: TEST_MS_MAX,
  ...(values.name === undefined ? {} : { testNamePatterns: values.name.map((pattern) => new RegExp(pattern)) }),
})
stream.on('test:pass', (event) => {
  if (event.skip === undefined) ran += 1
})
stream.on('test:fail', () => {
  ran += 1
  process.exitCode = 1
})
stream.on('end', () => {
  if (ran > 0) return
  console.error(`No test ran: nothing matches ${patterns.join(' ')}.`)
  process.exitCode = 1
})
stream.compose(new spec()).pipe(process.stdout)

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function installDebianPackages(): void {
  const missing = DEBIAN_PACKAGES.filter(({ program }) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name)
  const command = `apt-get install -y --no-install-recommends ${names.join(' ')}`
  if (process.getuid?.() !== 0) {
    console.error(`The tests need programs of these Debian packages. Install them as root: ${command}`)
    process.exit(1)
  }
  console.error(`Installing what the tests need: ${names.join(', ')} …`)
  const install = spawnSync('sh', ['-c', `apt-get update -q && DEBIAN_FRONTEND=noninteractive ${command}`], { encoding: 'utf8' })
  if (install.status === 0) return
  console.error(`${install.stdout}${install.stderr}\nCannot install ${names.join(', ')}: see above.`)
  process.exit(1)
}
