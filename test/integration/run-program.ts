// Programs that other people wrote, run against a node.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const PROGRAM_MS_MAX = 120_000

export interface RunOptions {
  /** Its working and its home folder. */
  readonly folder: string
  readonly input?: string
  readonly environment?: Record<string, string>
}

/** All that the program says. @throws if it doesn't end with 0 */
export async function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  { folder, input = '', environment = {} }: RunOptions,
): Promise<string> {
  // Certificates and keys of the surroundings are none of these programs' business.
  const surroundings = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_') && !name.startsWith('RCLONE_'))
  const env = {
    ...Object.fromEntries(surroundings),
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    HOME: folder,
    ...environment,
  }
  const child = spawn(program, args, { cwd: folder, env, timeout: PROGRAM_MS_MAX })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (said += piece))
  // One that is done before it is written to has said so by its code.
  child.stdin.on('error', () => undefined).end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0, `${program} ${args.join(' ')} ended with ${code}:\n${said}`)
  return said
}

/** Files of many sizes, some with names that need care, some deep. */
export async function makeAwkwardTree(top: string): Promise<string> {
  const odd = ['with space', 'a&b #%+;=?!', 'Ünï©ødé', '日本語', "quote'", '[brackets]', '~tilde', '.hidden', 'naïve (1).html']
  await mkdir(join(top, 'deep/er/still'), { recursive: true })
  for (const each of odd) await writeFile(join(top, 'deep/er', each), each)
  await mkdir(join(top, 'a folder & more'))
  await writeFile(join(top, 'a folder & more/in it'), 'in it')
  await writeFile(join(top, 'deep/er/still/large'), randomBytes(9_000_000))
  await writeFile(join(top, 'empty'), '')
  for (let index = 0; index < 60; index += 1) await writeFile(join(top, `file ${index}`), randomBytes(index * 700))
  return top
}
