// The few REST calls that the crash test makes, written plainly, so that it doesn't lean on the code it tests.

import { Agent, request } from 'undici'
import { AUTHORIZATION } from '../support/node-process.ts'

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

export class RestFiles {
  readonly #origin: string
  readonly #agent = new Agent({ connections: 32, pipelining: 1, headersTimeout: 60_000, bodyTimeout: 60_000 })

  constructor(origin: string) {
    this.#origin = origin
  }

  async call(method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH', path: string, body?: Buffer | object): Promise<Answer> {
    const isJson = body !== undefined && !Buffer.isBuffer(body)
    const response = await request(`${this.#origin}/api/v1${path}`, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: AUTHORIZATION, ...(isJson ? { 'content-type': 'application/json' } : {}) },
      body: isJson ? JSON.stringify(body) : ((body as Buffer | undefined) ?? null),
    })
    return { status: response.statusCode, body: Buffer.from(await response.body.arrayBuffer()) }
  }

  /** The answer, which must be a success. */
  async expect(...[method, path, body]: Parameters<RestFiles['call']>): Promise<Buffer> {
    const answer = await this.call(method, path, body)
    if (answer.status >= 300)
      throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body.toString('utf8', 0, 500)}`)
    return answer.body
  }

  async listAll(volume: string): Promise<{ path: string; type: string; size: number }[]> {
    const all: { path: string; type: string; size: number }[] = []
    let cursor: string | undefined
    do {
      const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = JSON.parse(
        (await this.expect('GET', `/volumes/${volume}/entries/?recursive=true&limit=1000${query}`)).toString(),
      ) as {
        entries: { path: string; type: string; size: number }[]
        next?: string
      }
      all.push(...page.entries)
      cursor = page.next
    } while (cursor !== undefined)
    return all
  }

  async fsck(verify = false): Promise<{ clean: boolean; lines: string[] }> {
    const text = (await this.expect('POST', '/fsck', { repair: false, verify })).toString()
    const lines = text.split('\n').filter((line) => line !== '')
    const last = JSON.parse(lines.at(-1) ?? '{}') as { kind?: string; clean?: boolean }
    return { clean: last.kind === 'result' && last.clean === true, lines: lines.filter((line) => !line.includes('"progress"')) }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}
