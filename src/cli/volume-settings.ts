import type { RemoteVolume, VolumeSettings } from '#client/wire.ts'
import type { Option } from './command.ts'
import type { OptionValues } from './option-values.ts'
import { columns } from './output.ts'
import type { Output } from './output.ts'
import { humanSize, plural, shortTime } from './units.ts'

export const VOLUME_OPTIONS: readonly Option[] = [
  {
    name: 'consistency',
    value: 'KIND',
    description: 'strong: linearizable; eventual: every node takes every write',
    choices: ['strong', 'eventual'],
    fallback: 'strong',
  },
  { name: 'class', value: 'NAME', description: 'the replication class', fallback: 'default' },
  {
    name: 'chunk-size',
    value: 'SIZE',
    description: 'length of new chunks, a whole number of MiB from 1 to 64',
    fallback: '8MiB',
  },
  { name: 'quota-bytes', value: 'SIZE', description: 'most bytes of contents, or none', fallback: 'none' },
  { name: 'quota-files', value: 'N', description: 'most files, directories and other entries, or none', fallback: 'none' },
  {
    name: 'durability',
    value: 'KIND',
    description: 'durable: acknowledged means on disk',
    choices: ['durable'],
    fallback: 'durable',
  },
  {
    name: 'on-conflict',
    value: 'RULE',
    description: 'eventual: what becomes of a concurrent write that loses; cas refuses writes over a version that is not named',
    choices: ['keep', 'keep-both', 'cas'],
    fallback: 'keep',
  },
  {
    name: 'keep',
    value: 'WHERE',
    description: 'eventual: where contents end, on the nodes of the class or on every node',
    choices: ['class', 'everywhere'],
    fallback: 'class',
  },
]

/** What the options say of a volume; what they don't mention is left out. */
export function volumeSettings(options: OptionValues): VolumeSettings {
  const none = (name: string) => options.text(name) === 'none'
  const quotaBytes = none('quota-bytes') ? null : options.sizeBytes('quota-bytes')
  const quotaFiles = none('quota-files')
    ? null
    : options.integer('quota-files', { fallback: -1, min: 0, max: Number.MAX_SAFE_INTEGER })
  const settings = {
    consistency: options.text('consistency'),
    class: options.text('class'),
    chunkSizeBytes: options.sizeBytes('chunk-size'),
    quotaBytes,
    quotaFiles: quotaFiles === -1 ? undefined : quotaFiles,
    durability: options.text('durability'),
    onConflict: options.text('on-conflict'),
    keep: options.text('keep'),
  }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as VolumeSettings
}

export async function showVolume(output: Output, volume: RemoteVolume): Promise<void> {
  if (output.json) {
    await output.value(volume)
    return
  }
  const { usage, quotaBytes, quotaFiles } = volume
  const rows = [
    ['Volume', volume.name],
    ['Contents', `${humanSize(usage.bytes)} in ${plural(usage.files, 'entry', 'entries')}`],
    ['Consistency', volume.consistency],
    ...(volume.onConflict === undefined ? [] : [['On conflict', volume.onConflict]]),
    ...(volume.keep === undefined ? [] : [['Kept', volume.keep === 'everywhere' ? 'on every node' : 'as the class says']]),
    ['Durability', volume.durability],
    ['Class', volume.class],
    ['Chunk size', humanSize(volume.chunkSizeBytes)],
    [
      'Quota',
      `${quotaBytes === null ? 'no limit in bytes' : humanSize(quotaBytes)}, ${quotaFiles === null ? 'no limit in files' : plural(quotaFiles, 'file')}`,
    ],
    ['Created', `${shortTime(volume.created)} UTC`],
  ]
  for (const line of columns(rows, '<<')) await output.line(line)
}
