/** Entity tags as RFC 9110, section 8.8.3, writes them: with their quotes, and `W/` in front of weak ones. */
const TAG = /^\s*,*\s*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)/

/** Reads If-Match and If-None-Match: `*`, or the tags of the list. A list that is none gives `undefined`. */
export function parseEntityTags(header: string): '*' | string[] | undefined {
  if (header.trim() === '*') return '*'
  const tags: string[] = []
  let rest = header
  while (rest.trim() !== '') {
    const match = TAG.exec(rest)
    if (match === null) return undefined
    tags.push(match[1] as string)
    rest = rest.slice(match[0].length)
  }
  return tags.length === 0 ? undefined : tags
}

/** RFC 9110, section 8.8.3.2: equal, and neither is weak. */
export function strongMatch(a: string, b: string): boolean {
  return a === b && !a.startsWith('W/')
}

/** RFC 9110, section 8.8.3.2: equal, weak or not. */
export function weakMatch(a: string, b: string): boolean {
  return opaque(a) === opaque(b)
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}
