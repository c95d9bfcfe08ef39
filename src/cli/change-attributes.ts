import type { AttributeSettings, RemoteEntry } from '#client/wire.ts'
import type { Invocation } from './command.ts'
import { formatRemote, parseRemote } from './location.ts'
import { plural } from './units.ts'

const AT_ONCE = 16

/** Gives entries other attributes, with `recursive` all that is in them too, the directories after what is in them. */
export async function changeAttributes(
  { options, output, connect, signal }: Invocation,
  operands: readonly string[],
  attributesOf: (entry: RemoteEntry) => AttributeSettings | undefined,
): Promise<void> {
  const client = connect()
  for (const operand of operands) {
    const { volume, path } = parseRemote(operand)
    let count = 0
    const change = async (entry: RemoteEntry): Promise<void> => {
      const attributes = attributesOf(entry)
      if (attributes === undefined) return
      const changed = await client.setAttributes(volume, entry.path, attributes)
      count += 1
      if (output.json) await output.value(changed)
    }
    const top = await client.getEntry(volume, path, { signal })
    if (options.has('recursive') && top.type === 'directory') {
      let together: Promise<void>[] = []
      for await (const entry of client.list(volume, path, { recursive: true, signal })) {
        together.push(change(entry))
        if (together.length < AT_ONCE) continue
        await Promise.all(together)
        together = []
      }
      await Promise.all(together)
    }
    await change(top)
    if (output.json) continue
    await output.line(
      `Changed ${output.name(formatRemote({ volume, path }))}${count > 1 ? ` and ${plural(count - 1, 'entry', 'entries')} in it` : ''}`,
    )
  }
}
