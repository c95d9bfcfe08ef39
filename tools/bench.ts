// npm run bench [NAME …] [-- ARGUMENTS]: runs bench/NAME.bench.ts, each in a process of its own; all of them by default.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { basename } from 'node:path'

const separator = process.argv.indexOf('--', 2)
const wanted = process.argv.slice(2, separator === -1 ? undefined : separator)
const passed = separator === -1 ? [] : process.argv.slice(separator + 1)

const files = globSync('bench/**/*.bench.ts').toSorted()
const names = files.map((file) => basename(file, '.bench.ts'))
const unknown = wanted.filter((name) => !names.includes(name))
if (unknown.length > 0 || files.length === 0) {
  console.error(`There is no benchmark "${unknown.join('", "')}". There are: ${names.join(', ')}.`)
  process.exit(2)
}

for (const [index, file] of files.entries()) {
  const name = names[index] as string
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`── ${name}`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', file, ...passed], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
