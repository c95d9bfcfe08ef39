// npm run bench:mount [-- OPTIONS]: a mount beside the machine's own disk and JuiceFS (with Redis, and a folder for its storage), one
// after the other in the same run: small files, walks, one large file, a source tree. Needs root, python3 and git. JuiceFS and Redis are
// taken from --bin or the PATH; without them their rows are left out. docs/benchmarks/mount.md says what came of it.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SYSTEMS } from './support/mount-systems.ts'
import { type Figures, WORKLOADS } from './support/mount-work.ts'

const { values } = parseArgs({
  options: {
    bin: { type: 'string' },
    systems: { type: 'string', default: 'ext4,shoal,juicefs' },
    only: { type: 'string', default: WORKLOADS.map(({ name }) => name).join(',') },
    files: { type: 'string', default: '10000' },
    walked: { type: 'string', default: '100000' },
    tree: { type: 'string', default: '50000' },
    large: { type: 'string', default: '1024' },
    /** Where what is read and unpacked is kept for the next run. */
    sources: { type: 'string' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-mounts-'))
const sources = values.sources === undefined ? folder : resolve(values.sources)
const sizes = {
  small: Number(values.files),
  walked: Number(values.walked),
  tree: Number(values.tree),
  largeMib: Number(values.large),
}
const place = { folder, bin: values.bin === undefined ? undefined : resolve(values.bin) }

try {
  mkdirSync(sources, { recursive: true })
  const names = values.systems.split(',')
  for (const workload of WORKLOADS.filter(({ name }) => values.only.split(',').includes(name))) {
    workload.prepare?.(sources, sizes)
    const results = new Map<string, Figures>()
    console.log(`${workload.name}: load ${loadavg()[0]?.toFixed(1)}`)
    for (const name of names) {
      const system = (await SYSTEMS[name]?.(place)) ?? 'there is no such system'
      if (typeof system === 'string') {
        console.log(`${name} is left out: ${system}`)
        continue
      }
      try {
        results.set(name, await workload.work(system, { folder: sources, sizes }))
      } finally {
        await system.stop()
      }
    }
    table(results)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function table(results: ReadonlyMap<string, Figures>): void {
  const names = [...results.keys()]
  const others = names.filter((name) => name !== 'shoal')
  const shoal = results.get('shoal')
  const ratios = shoal === undefined ? [] : others.map((name) => `shoal / ${name}`)
  console.log(`| | ${[...names, ...ratios].join(' | ')} |\n|---|${[...names, ...ratios].map(() => '---|').join('')}`)
  for (const figure of Object.keys(results.values().next().value ?? {})) {
    const of = (name: string): number => results.get(name)?.[figure] ?? Number.NaN
    const cells = names.map((name) => of(name).toLocaleString('en', { maximumSignificantDigits: 3 }))
    const compared = ratios.length === 0 ? [] : others.map((name) => (of('shoal') / of(name)).toFixed(2))
    console.log(`| ${[figure, ...cells, ...compared].join(' | ')} |`)
  }
}
