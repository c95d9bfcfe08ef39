// npm run check [STEP …] [--fix]: everything that can be said about the sources without running them.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

interface Step {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
  readonly fix?: readonly [program: string, ...args: string[]]
}

const STEPS: readonly Step[] = [
  { name: 'types', command: ['tsc', '-p', '.', '--pretty', 'false'] },
  { name: 'lint', command: ['oxlint'], fix: ['oxlint', '--fix'] },
  { name: 'format', command: ['oxfmt', '--check', '.'], fix: ['oxfmt', '.'] },
  { name: 'dead-code', command: ['knip', '--no-progress'] },
  {
    name: 'architecture',
    command: ['node', '--test', '--test-reporter=dot', 'test/architecture.test.ts', 'test/documents.test.ts'],
    fix: ['node', 'tools/write-documents.ts'],
  },
]
// As many as the project is measured with cores.
const CONCURRENCY = 2

const { values, positionals } = parseArgs({ allowPositionals: true, options: { fix: { type: 'boolean', default: false } } })
const chosen = positionals.length === 0 ? STEPS : STEPS.filter((step) => positionals.includes(step.name))
const unknown = positionals.filter((name) => !STEPS.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(`There is no check "${unknown.join('", "')}". There are: ${STEPS.map((step) => step.name).join(', ')}.`)
  process.exit(2)
}

if (values.fix) for (const step of chosen) if (step.fix !== undefined) await execute(step.fix)

const queue = [...chosen]
const failed: string[] = []
await Promise.all(Array.from({ length: CONCURRENCY }, work))
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(', ')}`)
  process.exitCode = 1
}

async function work(): Promise<void> {
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    const startMs = performance.now()
    const { code, output } = await execute(step.command)
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
    console.log(`${code === 0 ? '✔' : '✖'} ${step.name} (${seconds} s)`)
    if (code === 0) continue
    failed.push(step.name)
    console.log(output.trimEnd())
  }
}

function execute([program, ...args]: readonly [string, ...string[]]): Promise<{ code: number; output: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const pieces: string[] = []
  child.stdout.setEncoding('utf8').on('data', (piece: string) => pieces.push(piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => pieces.push(piece))
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 127, output: `Cannot run ${program}: ${error.message}` }))
    child.on('close', (code) => resolve({ code: code ?? 1, output: pieces.join('') }))
  })
}
