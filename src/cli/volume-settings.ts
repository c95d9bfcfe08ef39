import type { RemoteVolume, VolumeSettings } from '#client/wire.ts'
import type { Option } from './command.ts'
import type { OptionValues } from './option-values.ts'
import { columns } from './output.ts'
import type { Output } from './output.ts'
import { humanSize, plural, shortTime } from './units.ts'

export const VOLUME_OPTIONS: readonly Option[] = [
  { name: 'consistency', value: 'KIND', description: 'strong: linearizable', choices: ['strong'], fallback: 'strong' },
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
