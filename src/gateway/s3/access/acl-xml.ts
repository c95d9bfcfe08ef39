import { ACL_GROUPS, ACL_PERMISSIONS, MAX_GRANTS } from '#access/acl.ts'
import type { Acl, AclGroup, AclPermission, Grant, Grantee } from '#access/acl.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import type { PrincipalNames } from './principal-names.ts'

const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
const GROUPS_URI = 'http://acs.amazonaws.com/groups/global/'

export interface OwnedAcl extends Acl {
  /** The canonical id. */
  readonly owner: string
}

/** An AccessControlPolicy. The owner is given as it is in the document.
 *  @throws MalformedACLError, InvalidArgument for somebody whom nobody knows, UnresolvableGrantByEmailAddress */
export function readAclXml(root: XmlElement, names: PrincipalNames): OwnedAcl {
  const owner = childOf(childOf(root, 'Owner'), 'ID').text.trim()
  const list = childOf(root, 'AccessControlList')
  if (list.children.length > MAX_GRANTS) throw malformed(`it has ${list.children.length} grants; ${MAX_GRANTS} are allowed`)
  return { owner, grants: list.children.map((grant) => readGrant(grant, names)) }
}

function readGrant(grant: XmlElement, names: PrincipalNames): Grant {
  if (grant.name !== 'Grant') throw malformed(`its AccessControlList has a ${grant.name.slice(0, 40)}`)
  const grantee = childOf(grant, 'Grantee')
  const type = grantee.attributes.get(`{${XSI}}type`)
  const permission = childOf(grant, 'Permission').text.trim()
  return { to: readGrantee(grantee, type, names), permission: requirePermission(permission) }
}

function readGrantee(grantee: XmlElement, type: string | undefined, names: PrincipalNames): Grantee {
  if (type === 'CanonicalUser') return granteeById(childOf(grantee, 'ID').text.trim(), names)
  if (type === 'Group') return granteeByUri(childOf(grantee, 'URI').text.trim())
  if (type === 'AmazonCustomerByEmail') return granteeByEmail(childOf(grantee, 'EmailAddress').text.trim(), names)
  throw malformed(
    `a Grantee has the type "${(type ?? '').slice(0, 40)}"; CanonicalUser, Group or AmazonCustomerByEmail is expected`,
  )
}

export function granteeById(id: string, names: PrincipalNames): Grantee {
  if (names.nameOf(id) !== undefined) return { id }
  throw new S3Error('InvalidArgument', 'Invalid id: nobody has this canonical user id', {
    elements: { ArgumentName: 'CanonicalUser/ID', ArgumentValue: id.slice(0, 80) },
  })
}

export function granteeByUri(uri: string): Grantee {
  const group = uri.startsWith(GROUPS_URI) ? uri.slice(GROUPS_URI.length) : undefined
  if (ACL_GROUPS.some((known) => known === group)) return { group: group as AclGroup }
  throw new S3Error('InvalidArgument', 'Invalid group uri: AllUsers and AuthenticatedUsers are the groups there are', {
    elements: { ArgumentName: 'Group/URI', ArgumentValue: uri.slice(0, 80) },
  })
}

/** Principals whose names are addresses. */
export function granteeByEmail(address: string, names: PrincipalNames): Grantee {
  const id = names.idOf(address)
  if (id !== undefined && address.includes('@')) return { id }
  throw new S3Error('UnresolvableGrantByEmailAddress', 'There is no principal whose name is this e-mail address', {
    elements: { EmailAddress: address.slice(0, 128) },
  })
}

function requirePermission(text: string): AclPermission {
  const found = ACL_PERMISSIONS.find((known) => known === text)
  if (found === undefined) throw malformed(`a grant has the permission "${text.slice(0, 40)}"`)
  return found
}

function childOf(element: XmlElement, name: string): XmlElement {
  const child = element.children.find((candidate) => candidate.name === name)
  if (child === undefined) throw malformed(`its ${element.name} has no ${name}`)
  return child
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedACLError', `The XML you provided is not an access control policy: ${why}`)
}

/** Groups come first, as S3 has them in its canned lists. */
export function writeAclXml({ owner, grants }: OwnedAcl, names: PrincipalNames): XmlWriter {
  const xml = new XmlWriter('AccessControlPolicy', { xmlns: S3_NAMESPACE })
  xml.start('Owner').leaf('ID', owner).leaf('DisplayName', names.nameOf(owner)).end().start('AccessControlList')
  const ordered = [...grants.filter(({ to }) => 'group' in to), ...grants.filter(({ to }) => 'id' in to)]
  for (const { to, permission } of ordered) {
    xml.start('Grant')
    if ('group' in to) xml.start('Grantee', { 'xmlns:xsi': XSI, 'xsi:type': 'Group' }).leaf('URI', GROUPS_URI + to.group)
    else {
      xml.start('Grantee', { 'xmlns:xsi': XSI, 'xsi:type': 'CanonicalUser' })
      xml.leaf('ID', to.id).leaf('DisplayName', names.nameOf(to.id))
    }
    xml.end().leaf('Permission', permission).end()
  }
  return xml
}
