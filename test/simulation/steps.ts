import { headOf, valueOf } from './contents.ts'
import type { FileCall, FileName } from './file-group.ts'
import type { Request } from './requests.ts'
import { elementsOf } from './s3-requests.ts'
import type { SimulatedNode } from './simulated-node.ts'

// What clients ask for, over either door, and what the answers mean.

export const VOLUME = 'docs'

/** Where an operation goes: any node serves any request. */
export interface Place {
  readonly client: string
  readonly group: string
  readonly name: FileName
  readonly node: SimulatedNode
}

export type DoorName = 'rest' | 's3'

/** A request and what it means, by what was answered. */
export interface Step {
  readonly request: Request
  /** What may have happened if nobody knows; `undefined` of what changes nothing. */
  readonly unknown: FileCall | undefined
  done(content: Buffer): FileCall
  /** The name isn't there. */
  readonly absent?: FileCall
  /** A condition of the request doesn't hold. */
  readonly conflict?: FileCall
  /** The answer by which nothing was done, which isn't a refusal otherwise: asked when the answer is there. */
  gone?(): string | undefined
}

/** A value, and the bytes that are of it. */
export interface Content {
  readonly value: string
  readonly bytes: Buffer
}

const NOTHING_THERE = ['If-None-Match', '*'] as const

export function readStep(at: Place, door: DoorName): Step {
  return {
    request: { door, method: 'GET', target: fileTarget(at, door) },
    unknown: undefined,
    done: (content) => ({ kind: 'read', name: at.name, seen: valueOf(content) }),
    absent: { kind: 'read', name: at.name, seen: null },
  }
}

export function listStep({ group }: Place, door: DoorName): Step {
  const names = (content: Buffer): FileName[] => {
    if (door === 's3') return elementsOf(content, 'Key').map((key) => key.slice(group.length + 1) as FileName)
    return (JSON.parse(content.toString()) as { entries: { name: FileName }[] }).entries.map(({ name }) => name)
  }
  const target = door === 's3' ? `${VOLUME}?list-type=2&prefix=${group}%2F` : `volumes/${VOLUME}/entries/${group}`
  return {
    request: { door, method: 'GET', target },
    unknown: undefined,
    done: (content) => ({ kind: 'list', seen: names(content) }),
    absent: { kind: 'list', seen: [] },
  }
}

export function writeStep(at: Place, door: DoorName, { value, bytes }: Content): Step {
  const call: FileCall = { kind: 'write', name: at.name, value }
  return {
    request: { door, method: 'PUT', target: fileTarget(at, door), content: bytes },
    unknown: call,
    done: () => call,
  }
}

export function createStep(at: Place, door: DoorName, { value, bytes }: Content): Step {
  return {
    request: { door, method: 'PUT', target: fileTarget(at, door), content: bytes, headers: NOTHING_THERE },
    ...creation(at.name, value),
  }
}

/** What a request means that makes what must not be there. */
function creation(name: FileName, value: string): Omit<Step, 'request'> {
  const call = { kind: 'create', name, value } as const
  return {
    unknown: { ...call, isNew: true, isKnown: false },
    done: () => ({ ...call, isNew: true, isKnown: true }),
    conflict: { ...call, isNew: false, isKnown: true },
  }
}

/** Puts something in the place of what was `seen` under that tag, and of nothing else. */
export function replaceStep(at: Place, door: DoorName, given: Content & { readonly etag: string; readonly seen: string }): Step {
  const { value, bytes, etag, seen } = given
  const call = { kind: 'replace', name: at.name, value, seen } as const
  const refused: FileCall = { ...call, isMatched: false, isKnown: true }
  return {
    request: { door, method: 'PUT', target: fileTarget(at, door), content: bytes, headers: ['If-Match', etag] },
    unknown: { ...call, isMatched: true, isKnown: false },
    done: () => ({ ...call, isMatched: true, isKnown: true }),
    absent: refused,
    conflict: refused,
  }
}

export function patchStep(at: Place, value: string): Step {
  const call = { kind: 'patch', name: at.name, value, isFound: true } as const
  return {
    request: { method: 'PATCH', target: `${fileTarget(at, 'rest')}?offset=0`, content: headOf(value) },
    unknown: { ...call, isKnown: false },
    done: () => ({ ...call, isKnown: true }),
    absent: { ...call, isFound: false, isKnown: true },
  }
}

export function removeStep(at: Place, door: DoorName): Step {
  const call = { kind: 'remove', name: at.name, isFound: true } as const
  return {
    request: { door, method: 'DELETE', target: fileTarget(at, door) },
    unknown: { ...call, isKnown: false },
    // S3 says the same whether something was there or not.
    done: () => ({ ...call, isKnown: door === 'rest' }),
    absent: { ...call, isFound: false, isKnown: true },
  }
}

export function moveStep(at: Place, kind: 'rename' | 'copy'): Step {
  const to = `${at.group}/${otherOf(at.name)}`
  const operation = kind === 'rename' ? { op: 'move', to } : { op: 'copy', to, replace: true }
  const content = Buffer.from(JSON.stringify(operation))
  return {
    request: { method: 'POST', target: `volumes/${VOLUME}/entries/${at.group}/${at.name}`, content },
    ...moving(at.name, kind),
  }
}

/** Over S3 what is copied may be replaced before the copy is there, as Amazon has it. So it is asked for by its tag, and is what was `seen`. */
export function copyObjectStep(at: Place, { etag, seen }: { readonly etag: string; readonly seen: string }): Step {
  const to: Place = { ...at, name: otherOf(at.name) }
  const headers = ['x-amz-copy-source', `/${fileTarget(at, 's3')}`, 'x-amz-copy-source-if-match', etag]
  const call: FileCall = { kind: 'write', name: to.name, value: seen }
  return {
    request: { door: 's3', method: 'PUT', target: fileTarget(to, 's3'), headers },
    unknown: call,
    done: () => call,
    absent: { kind: 'read', name: at.name, seen: null },
    gone: () => 'PRECONDITION_FAILED',
  }
}

function moving(name: FileName, kind: 'rename' | 'copy'): Omit<Step, 'request'> {
  const call = { kind, name, isFound: true } as const
  return {
    unknown: { ...call, isKnown: false },
    done: () => ({ ...call, isKnown: true }),
    absent: { ...call, isFound: false, isKnown: true },
  }
}

/** The end of an upload in parts, which publishes them. */
export function commitStep(at: Place, request: Request, options: { readonly value: string; readonly isCreation: boolean }): Step {
  const call: FileCall = { kind: 'write', name: at.name, value: options.value }
  const meaning = options.isCreation ? creation(at.name, options.value) : { unknown: call, done: () => call }
  const headers = options.isCreation && request.door === 's3' ? { headers: NOTHING_THERE } : {}
  return { ...meaning, request: { ...request, ...headers } }
}

export function readSettingStep(): Step {
  const done = (content: Buffer): FileCall => {
    const { quotaFiles } = JSON.parse(content.toString()) as { quotaFiles: number | null }
    return { kind: 'read', name: 'a', seen: quotaFiles === null ? null : String(quotaFiles) }
  }
  return { request: { method: 'GET', target: `volumes/${VOLUME}` }, unknown: undefined, done }
}

export function settingStep(quotaFiles: number): Step {
  const call: FileCall = { kind: 'write', name: 'a', value: String(quotaFiles) }
  const content = Buffer.from(JSON.stringify({ quotaFiles }))
  return { request: { method: 'PATCH', target: `volumes/${VOLUME}`, content }, unknown: call, done: () => call }
}

export function fileTarget({ group, name }: Pick<Place, 'group' | 'name'>, door: DoorName): string {
  return door === 's3' ? `${VOLUME}/${group}/${name}` : `volumes/${VOLUME}/files/${group}/${name}`
}

function otherOf(name: FileName): FileName {
  return name === 'a' ? 'b' : 'a'
}
