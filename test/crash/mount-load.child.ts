// Changes files of a mount until it is gone, and says before and after each change what it is: node mount-load.child.ts DIRECTORY SEED
import * as fs from 'node:fs'
import { join } from 'node:path'

const [directory = '', seed = '1'] = process.argv.slice(2)
let state = Number(seed)

/** Below `limit` (Marsaglia's xorshift). */
function random(limit: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return Math.abs(state) % limit
}

const paths = () => `${['', 'd/', 'e/'][random(3)]}f${random(12)}`
const text = () => `${String.fromCharCode(97 + random(26))}`.repeat(1 + random(random(4) === 0 ? 300_000 : 3000))

function say(line: object): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}

function change(step: { readonly kind: string; readonly path: string; readonly to?: string; readonly text?: string }): void {
  const at = join(directory, step.path)
  say({ begin: step })
  if (step.kind === 'write') fs.writeFileSync(at, step.text as string)
  else if (step.kind === 'append') fs.appendFileSync(at, step.text as string)
  else if (step.kind === 'rename') fs.renameSync(at, join(directory, step.to as string))
  else if (step.kind === 'remove') fs.rmSync(at)
  else {
    const fd = fs.openSync(at, 'a')
    if (step.kind === 'append and sync') fs.writeSync(fd, step.text as string)
    fs.fsyncSync(fd)
    fs.closeSync(fd)
  }
  say({ done: true })
}

for (const folder of ['d', 'e']) fs.mkdirSync(join(directory, folder), { recursive: true })
for (;;) {
  const path = paths()
  const isThere = fs.existsSync(join(directory, path))
  const kind = ['write', 'write', 'append', 'append', 'rename', 'remove', 'append and sync'][random(7)] as string
  if (!isThere || kind === 'write') change({ kind: 'write', path, text: text() })
  else if (kind === 'rename') change({ kind, path, to: paths() })
  else change({ kind, path, ...(kind.startsWith('append') ? { text: text() } : {}) })
}
