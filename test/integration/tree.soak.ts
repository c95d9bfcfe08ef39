// npm run tree -- [FOLDER …]: copies an odd tree, files of 1 and 5 GiB, and the folders given into a node and out again, and
// compares everything byte for byte. Needs some 25 GiB in the folder for temporary files, and room for the folders twice.
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { RestFiles } from '../crash/rest-files.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import { Cli } from './cli-process.ts'
import { compareTrees } from './compare-trees.ts'
import { buildOddTree, EDGE_SIZES, MIB, writeRandom } from './odd-tree.ts'

const GIB = 1024 * MIB
const run = promisify(execFile)

const given = process.argv.slice(2).map((path) => resolve(path))
const folder = await mkdtemp(join(tmpdir(), 'shoal-tree-soak-'))
const node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
const rest = new RestFiles(node.origin)
try {
  const cli = new Cli(node.origin, folder)
  await cli.run('volume', 'create', 'docs')
  const odd = join(folder, 'odd')
  await timed('build the odd tree', () => buildOddTree(odd, EDGE_SIZES))
  await roundTrip(cli, odd)
  const large = join(folder, 'large')
  mkdirSync(large)
  await timed('write files of 1 and 5 GiB', () => {
    for (const size of [GIB, 5 * GIB]) writeRandom(join(large, String(size)), size)
  })
  await roundTrip(cli, large)
  for (const path of given) {
    await roundTrip(cli, path)
    await timed(`diff -r of ${path}`, () => run('diff', ['-r', '--no-dereference', path, backOf(path)], { maxBuffer: 64 * MIB }))
  }
  const { clean, lines } = await timed('fsck, every byte', () => rest.fsck(true))
  if (!clean) throw new Error(`fsck is not clean:\n${lines.join('\n')}`)
  console.log('Everything came back as it went.')
} finally {
  await rest.close()
  await node.kill()
  // Deeper than a path can say, which rm of Node.js takes for an error.
  await run('rm', ['-rf', folder])
}

function backOf(path: string): string {
  return join(folder, 'back', basename(path))
}

async function roundTrip(cli: Cli, path: string): Promise<void> {
  mkdirSync(join(folder, 'back'), { recursive: true })
  await timed(`cp -r ${path} into the node`, () => cli.run('cp', '-r', path, 'docs:/'))
  await timed(`cp -r ${basename(path)} out of it`, () => cli.run('cp', '-r', `docs:/${basename(path)}`, join(folder, 'back')))
  const { differences, count } = await timed(`compare ${basename(path)}`, () => compareTrees(path, backOf(path)))
  console.log(
    `  ${count.files} files, ${count.directories} directories, ${count.links} links, ${(count.bytes / MIB).toFixed(1)} MiB`,
  )
  if (differences.length > 0) throw new Error(`${differences.length} differences:\n${differences.slice(0, 50).join('\n')}`)
}

async function timed<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  const startedMs = performance.now()
  const result = await work()
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${what}`)
  return result
}
