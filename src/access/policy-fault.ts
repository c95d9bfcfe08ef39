/** What is wrong in a part of a policy, for whoever knows which part it is. */
export class PolicyFault extends Error {}

/** A text, or a list of some. */
export function textsOf(value: unknown, name: string): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw new PolicyFault(`its ${name} is empty`)
  return list.map((text) => {
    if (typeof text !== 'string' || text === '') throw new PolicyFault(`its ${name} is ${shown(text)}; text is expected`)
    return text
  })
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function shown(value: unknown): string {
  return value === undefined ? 'missing' : (JSON.stringify(value) ?? 'missing').slice(0, 80)
}
