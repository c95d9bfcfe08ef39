import type { ClassSettings, RemoteClass } from '#client/wire.ts'
import type { Option } from './command.ts'
import type { OptionValues } from './option-values.ts'
import { columns } from './output.ts'
import type { Output } from './output.ts'
import { plural } from './units.ts'

const COPIES_MAX = 16

export const CLASS_OPTIONS: readonly Option[] = [
  { name: 'copies', value: 'N', description: 'how many nodes have each chunk, 1 to 16' },
  {
    name: 'ack',
    value: 'RULE',
    description: 'how many copies must be on disk before a write is acknowledged: one, more than half, or all',
    choices: ['one', 'quorum', 'all'],
    fallback: 'quorum',
  },
  { name: 'zones', value: 'N', description: 'the least number of zones that the copies shall lie in', fallback: '1' },
  {
    name: 'durability',
    value: 'KIND',
    description: 'durable: a copy counts once it is on disk',
    choices: ['durable'],
    fallback: 'durable',
  },
]

/** What the options say of a class; what they don't mention is left out. */
export function classSettings(options: OptionValues): ClassSettings {
  const number = (name: string): number | undefined => {
    const value = options.integer(name, { fallback: 0, min: 1, max: COPIES_MAX })
    return value === 0 ? undefined : value
  }
  const settings = {
    copies: number('copies'),
    ack: options.text('ack'),
    zones: number('zones'),
    durability: options.text('durability'),
  }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as ClassSettings
}

export async function showClass(output: Output, found: RemoteClass): Promise<void> {
  if (output.json) {
    await output.value(found)
    return
  }
  const { name, copies, ack, zones, growsTo, nodes } = found
  const grows = growsTo === null || growsTo <= copies ? '' : `, growing to ${growsTo} as nodes join`
  const rows = [
    ['Class', name],
    ['Copies', `${copies}${grows}`],
    ['Acknowledged by', ack],
    ['Zones', `at least ${zones}`],
    ['Durability', found.durability],
    ['Nodes', String(nodes)],
    ['State', stateOf(found)],
  ]
  for (const line of columns(rows, '<<')) await output.line(line)
}

/** In a few words. */
export function stateOf({ short, moving, placed }: RemoteClass): string {
  const lacking = `short of nodes or zones: ${plural(placed.copies, 'copy', 'copies')} in ${plural(placed.zones, 'zone')}`
  return [...(short ? [lacking] : []), ...(moving ? ['chunks are moving'] : [])].join('; ') || 'complete'
}
