import type { NodeId } from './ids.ts'

/** Which node of which cluster: what a node's certificate says. */
export interface NodeName {
  /** 32 lower-case hexadecimal characters. */
  readonly clusterId: string
  readonly nodeId: NodeId
}

/** The name as a URI, `shoal://<clusterId>/<nodeId>`: the form that it has in certificates (RFC 5280, section 4.2.1.6). */
export function nodeUri({ clusterId, nodeId }: NodeName): string {
  return `shoal://${clusterId}/${nodeId}`
}

/** `undefined` if `text` is no such URI. */
export function parseNodeUri(text: string): NodeName | undefined {
  const match = /^shoal:\/\/([0-9a-f]{32})\/([0-9a-f]{32})$/.exec(text)
  return match === null ? undefined : { clusterId: match[1] as string, nodeId: match[2] as NodeId }
}
