import { LAYERS } from './layers.ts'

/** The layers as a diagram, without the arrows that others imply, and as a table. */
export function drawLayers(): string {
  const arrows = LAYERS.flatMap(({ name, imports }) => direct(imports).map((target) => `  ${idOf(name)} --> ${idOf(target)}`))
  const boxes = LAYERS.map(({ name }) => `  ${idOf(name)}["${name}"]`)
  const rows = LAYERS.toReversed().map(
    ({ name, purpose, imports }) => `| \`${name}\` | ${purpose} | ${imports.join(', ') || '–'} |`,
  )
  return [
    '```mermaid',
    'flowchart TD',
    ...boxes.toReversed(),
    ...arrows.toReversed(),
    '```',
    '',
    '| layer | what it is | may import |',
    '|---|---|---|',
    ...rows,
  ].join('\n')
}

/** The imports that no other import reaches already. */
function direct(imports: readonly string[]): string[] {
  return imports.filter((name) => !imports.some((other) => other !== name && reaches(other, name)))
}

function reaches(from: string, to: string): boolean {
  const imports = LAYERS.find(({ name }) => name === from)?.imports ?? []
  return imports.includes(to) || imports.some((next) => reaches(next, to))
}

function idOf(name: string): string {
  return name.replace('/', '_')
}
