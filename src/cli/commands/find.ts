import { tryParseTimestamp } from '#foundation/timestamp.ts'
import type { RemoteEntry } from '#client/wire.ts'
import { parseDuration, parseSize } from '#config/units.ts'
import type { Clock } from '#platform/clock.ts'
import type { Command } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { globExpression } from '../glob.ts'
import { baseName, formatRemote, parseRemote } from '../location.ts'
import type { OptionValues } from '../option-values.ts'
import { usageError } from '../usage-error.ts'

type Test = (entry: RemoteEntry) => boolean

const TYPES: Readonly<Record<string, string>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'fifo',
  s: 'socket',
  c: 'character-device',
  b: 'block-device',
}

export const find: Command = {
  usage: ['VOLUME:/PATH...'],
  description: ['All conditions must hold. The directory that is searched is not among the results.'],
  options: [
    { name: 'name', value: 'GLOB', description: 'names that match, with *, ? and [a-z]' },
    {
      name: 'type',
      value: 'TYPE',
      description: 'f file, d directory, l symbolic link, p fifo, s socket, c and b devices',
      choices: Object.keys(TYPES),
    },
    { name: 'size', value: 'SIZE', description: 'files of this size; +1MiB larger, -1MiB smaller' },
    {
      name: 'newer',
      value: 'TIME',
      description: 'modified since: a time such as 2026-11-20 or 2026-11-20T12:00:00Z, or a duration such as 2h or 7d ago',
    },
    { name: 'max-depth', value: 'N', description: 'so many levels below the path; 1 is what is in it' },
    { name: 'print0', short: '0', description: 'end each path with NUL instead of a line break, for xargs -0' },
  ],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [
    { command: "shoal find docs:/ --name '*.log' --size +10MiB", explains: 'large logs' },
    { command: 'shoal find docs:/ --type f --newer 24h', explains: 'files of the last day' },
  ],
  async run({ operands, options, output, connect, clock, signal }) {
    const tests = testsOf(options, clock)
    const maxDepth = options.integer('max-depth', { fallback: Infinity, min: 1, max: 1_000_000 })
    const client = connect()
    for (const operand of operands) {
      const { volume, path } = parseRemote(operand)
      const skip = path === '' ? 0 : path.length + 1
      for await (const entry of client.list(volume, path, { recursive: maxDepth > 1, signal })) {
        if (maxDepth !== Infinity && entry.path.slice(skip).split('/').length > maxDepth) continue
        if (!tests.every((test) => test(entry))) continue
        const shown = formatRemote({ volume, path: entry.path })
        const printed = output.json
          ? output.value(entry)
          : options.has('print0')
            ? output.text(`${shown}\0`)
            : output.line(output.name(shown))
        if (printed !== undefined) await printed
      }
    }
    return EXIT.ok
  },
}

function testsOf(options: OptionValues, clock: Clock): Test[] {
  const tests: Test[] = []
  const name = options.text('name')
  const type = options.text('type')
  const size = options.text('size')
  const newer = options.text('newer')
  if (name !== undefined) {
    const expression = globExpression(name)
    tests.push((entry) => expression.test(baseName(entry.path)))
  }
  if (type !== undefined) tests.push((entry) => entry.type === TYPES[type])
  if (size !== undefined) tests.push(sizeTest(size))
  if (newer !== undefined) {
    const sinceNs = timeOf(newer, clock)
    tests.push((entry) => (tryParseTimestamp(entry.mtime) ?? 0n) > sinceNs)
  }
  return tests
}

function sizeTest(text: string): Test {
  const bytes = parseSize(text.replace(/^[+-]/, ''))
  if (bytes === undefined) throw usageError(`--size is "${text}": a size such as 64KiB, +1MiB or -1MiB is expected`)
  return ({ type, size }) =>
    type === 'file' && (text.startsWith('+') ? size > bytes : text.startsWith('-') ? size < bytes : size === bytes)
}

function timeOf(text: string, clock: Clock): bigint {
  const ago = parseDuration(text)
  if (ago !== undefined) return clock.nowNs() - BigInt(Math.round(ago * 1e6))
  const ms = /^\d{4}-\d\d-\d\d([T ]|$)/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms))
    throw usageError(`--newer is "${text}": a time such as 2026-11-20T12:00:00Z or a duration such as 7d is expected`)
  return BigInt(ms) * 1_000_000n
}
