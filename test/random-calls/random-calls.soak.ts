// npm run calls -- [SCENE…] [--seed FIRST] [--seeds N] [--calls N] [--keep-going] [--replay FILE]: random system calls in mounts and on ext4, and what differs.
// Needs root, python3 and mkfs.ext4. What fails is shortened, and printed a call a line, as --replay reads it.

import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { formatCalls, parseCalls } from './calls.ts'
import { CallBench, CallScene, type SceneName, SCENES } from './scenes.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '20' },
    calls: { type: 'string', default: '600' },
    tries: { type: 'string', default: '400' },
    'keep-going': { type: 'boolean', default: false },
    replay: { type: 'string' },
  },
})
/** Of what can't be repeated. */
const LAST = 40
const unknown = positionals.filter((name) => !Object.hasOwn(SCENES, name))
if (unknown.length > 0)
  throw new Error(`There is no scene "${unknown.join('", "')}". There are: ${Object.keys(SCENES).join(', ')}.`)
const names = (positionals.length === 0 ? Object.keys(SCENES) : positionals) as SceneName[]
const [first, seeds, count] = [values.seed, values.seeds, values.calls].map(Number) as [number, number, number]

let interruptedBy: NodeJS.Signals | undefined
let running: CallScene | undefined
// What is under way fails, and all that was made goes, mounts and the loop device too.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    interruptedBy ??= signal
    void running?.interrupt()
  })

const bench = await CallBench.open()
try {
  for (const name of names) {
    if (interruptedBy !== undefined) break
    const scene = await CallScene.start(bench, name)
    running = scene
    try {
      if (interruptedBy !== undefined) break
      if (values.replay !== undefined) await replay(scene, values.replay)
      else await search(name, scene)
    } catch (error) {
      if (interruptedBy === undefined) throw error
    } finally {
      running = undefined
      await scene.stop()
    }
    if (process.exitCode !== undefined && !values['keep-going']) break
  }
} finally {
  await bench.close()
}
if (interruptedBy !== undefined) process.exit(128 + constants.signals[interruptedBy])

async function search(name: SceneName, scene: CallScene): Promise<void> {
  let [done, failed] = [0, 0]
  for (let seed = first; seed < first + seeds; seed += 1) {
    const { calls, difference } = await scene.draw({ seed, count })
    done += calls.length
    if (difference === undefined) continue
    failed += 1
    process.exitCode = 1
    console.log(
      `npm run calls -- ${name} --seed ${seed} --seeds 1 --calls ${count}\n${formatCalls(calls.slice(-1))}\n=> ${difference.text}`,
    )
    const shorter = await scene.shorten(calls, { kind: difference.kind, seed, triesMax: Number(values.tries) })
    if (shorter === undefined)
      console.log(`It did not come again. These were the last calls:\n${formatCalls(calls.slice(-LAST))}`)
    else console.log(`Shortened to ${shorter.calls.length} calls:\n${formatCalls(shorter.calls)}\n=> ${shorter.difference.text}`)
    if (!values['keep-going']) break
  }
  console.log(`${name}: ${done} calls, ${failed} seeds failed`)
}

async function replay(scene: CallScene, file: string): Promise<void> {
  const { difference, calls } = await scene.replay(parseCalls(readFileSync(file, 'utf8')), first)
  if (difference !== undefined) process.exitCode = 1
  console.log(difference === undefined ? 'No difference.' : `${formatCalls(calls.slice(-1))}\n=> ${difference.text}`)
}
