import { usageError } from './usage-error.ts'

/** The expression for a shell pattern of one name: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a character that is meant. */
export function globExpression(glob: string): RegExp {
  let out = ''
  for (let at = 0; at < glob.length; at += 1) {
    const character = glob[at] as string
    if (character === '*') out += '.*'
    else if (character === '?') out += '.'
    else if (character === '\\' && at + 1 < glob.length) {
      at += 1
      out += escaped(glob[at] as string)
    } else if (character === '[') {
      const end = glob.indexOf(']', at + (glob[at + 1] === '!' ? 3 : 2))
      if (end < 0) throw usageError(`The pattern "${glob}" has a "[" without its "]"`)
      const set = glob.slice(at + 1, end)
      out += `[${set.replace(/^!/, '^').replaceAll(/[\\[\]]/g, '\\$&')}]`
      at = end
    } else out += escaped(character)
  }
  return new RegExp(`^${out}$`, 'su')
}

function escaped(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}
