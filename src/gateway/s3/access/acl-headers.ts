import { CANNED_ACLS, MAX_GRANTS } from '#access/acl.ts'
import type { AclPermission, CannedAcl, Grant, Grantee } from '#access/acl.ts'
import { granteeByEmail, granteeById, granteeByUri } from './acl-xml.ts'
import type { PrincipalNames } from './principal-names.ts'
import { S3Error } from '../s3-error.ts'

/** Headers that grant, and what. */
export const GRANT_HEADERS: readonly (readonly [header: string, permission: AclPermission])[] = [
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
]

/** What the headers of a request ask for: a canned list, or grants; `undefined` for neither. */
export type AskedAcl = { readonly canned: CannedAcl } | { readonly grants: readonly Grant[] } | undefined

/** `header` gives a header, or the field of a form. @throws InvalidArgument, InvalidRequest, NotImplemented, UnresolvableGrantByEmailAddress */
export function readAclHeaders(header: (name: string) => string | undefined, names: PrincipalNames): AskedAcl {
  const canned = header('x-amz-acl')
  const grants: Grant[] = []
  for (const [name, permission] of GRANT_HEADERS) {
    const value = header(name)
    if (value !== undefined) for (const to of readGrantees(name, value, names)) grants.push({ to, permission })
  }
  if (grants.length > MAX_GRANTS)
    throw new S3Error('InvalidArgument', `There are ${grants.length} grants; ${MAX_GRANTS} are allowed`)
  if (canned === undefined) return grants.length === 0 ? undefined : { grants }
  if (grants.length > 0) throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed')
  const known = CANNED_ACLS.find((name) => name === canned)
  if (known !== undefined) return { canned: known }
  if (canned === 'aws-exec-read' || canned === 'log-delivery-write')
    throw new S3Error('NotImplemented', `The canned ACL "${canned}" is for services that are not here`)
  throw new S3Error('InvalidArgument', `There is no canned ACL "${canned.slice(0, 40)}"`, {
    elements: { ArgumentName: 'x-amz-acl', ArgumentValue: canned.slice(0, 80) },
  })
}

/** `id="…", uri="…", emailAddress="…"`, with or without the quotes. */
function readGrantees(header: string, value: string, names: PrincipalNames): Grantee[] {
  return value.split(',').map((part) => {
    const [, kind = '', quoted, bare = ''] = /^\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|(\S*))\s*$/.exec(part) ?? []
    const text = quoted ?? bare
    if (kind === 'id') return granteeById(text, names)
    if (kind === 'uri') return granteeByUri(text)
    if (kind === 'emailAddress') return granteeByEmail(text, names)
    throw new S3Error('InvalidArgument', `Argument format not recognized: ${header} is a list of id=…, uri=… or emailAddress=…`, {
      elements: { ArgumentName: header, ArgumentValue: value.slice(0, 80) },
    })
  })
}
