const COLOURS: Readonly<Record<string, number>> = { debug: 90, info: 36, warn: 33, error: 31 }

/** A JSON log line as a person reads it at a terminal: `12:00:01.250 INFO  message key=value`, a stack on lines of its own. */
export function prettyLine(line: string): string {
  const { level, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>
  const name = String(level)
  const pieces = [
    paint(90, String(time).slice(11, 23)),
    paint(COLOURS[name] ?? 0, name.toUpperCase().padEnd(5)),
    String(message),
    ...Object.entries(fields).map(([key, value]) => `${paint(90, `${key}=`)}${textOf(value)}`),
  ]
  const stacks = Object.values(fields).flatMap(stackOf)
  return `${[pieces.join(' '), ...stacks].join('\n')}\n`
}

function paint(colour: number, text: string): string {
  return `\u001b[${colour}m${text}\u001b[0m`
}

function textOf(value: unknown): string {
  if (stackOf(value).length > 0) return JSON.stringify((value as { message?: unknown }).message)
  return typeof value === 'string' && /^[^\s"\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value)
}

function stackOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || !('stack' in value)) return []
  return String(value.stack)
    .split('\n')
    .map((frame) => `    ${frame.trim()}`)
}
