// npm run bench [NAME [ARGUMENT …]]: runs bench/NAME.bench.ts, or all of them, each in a process of its own.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { basename } from 'node:path'

const [wanted, ...passed] = process.argv.slice(2)

const files = globSync('bench/**/*.bench.ts').toSorted()
const names = files.map((file) => basename(file, '.bench.ts'))
if ((wanted !== undefined && !names.includes(wanted)) || files.length === 0) {
  console.error(`There is no benchmark "${wanted}". There are: ${names.join(', ')}.`)
  process.exit(2)
}

for (const [index, file] of files.entries()) {
  const name = names[index] as string
  if (wanted !== undefined && name !== wanted) continue
  console.log(`── ${name}`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', file, ...passed], { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
