import { readFile } from 'node:fs/promises'
import { usageError } from './usage-error.ts'

const NUMBER_MAX = 2 ** 32 - 2

export interface Owner {
  readonly uid?: number
  readonly gid?: number
}

/** A user, a group, or both (`1000`, `ann`, `ann:staff`, `:staff`): numbers, or names that this machine knows; `ann:` has the group of that user.
 *  `option` is named in messages. @throws a usage error */
export async function parseOwner(text: string, option: string): Promise<Owner> {
  const [, user = '', colon = '', group = ''] = /^([^:]*)(:?)([^:]*)$/.exec(text) ?? []
  if (user === '' && group === '')
    throw usageError(`${option} is "${text}": a user is expected, such as 1000, ann, ann:staff or :staff`)
  const users = await accounts('/etc/passwd', user, option)
  const groups = await accounts('/etc/group', group, option)
  const gid = group === '' && colon !== '' ? users?.gid : groups?.id
  if (gid === undefined && group === '' && colon !== '')
    throw usageError(`${option} is "${text}": nobody here knows the group of "${user}"`)
  return { ...(users === undefined ? {} : { uid: users.id }), ...(gid === undefined ? {} : { gid }) }
}

interface Account {
  readonly id: number
  /** Of a user that this machine knows. */
  readonly gid: number | undefined
}

/** What a file of accounts says of a name; a number needs none. */
async function accounts(file: string, name: string, option: string): Promise<Account | undefined> {
  if (name === '') return undefined
  const lines = await readFile(file, 'utf8').catch(() => '')
  const isNumber = /^\d+$/.test(name)
  if (isNumber && Number(name) > NUMBER_MAX) throw usageError(`${option} has "${name}": numbers go up to ${NUMBER_MAX}`)
  for (const line of lines.split('\n')) {
    const [named, , id = '', gid = ''] = line.split(':')
    if (named !== name && !(isNumber && Number(id) === Number(name) && id !== '')) continue
    return { id: Number(id), gid: file === '/etc/passwd' && gid !== '' ? Number(gid) : undefined }
  }
  if (isNumber) return { id: Number(name), gid: undefined }
  throw usageError(`${option} has "${name}", whom this machine doesn't know: a number is as good`)
}
