import { projectNamePattern } from '../engine/domain/project.ts'
import type { Reply } from './reply.ts'

export type GitService = 'upload-pack' | 'receive-pack'

/** What a request asks for; there is nothing else below `/git/`. */
export interface GitRoute {
  readonly name: string
  readonly service: GitService
  /** `info/refs`: the list of refs that every fetch and push begins with. */
  readonly advertise: boolean
}

/**
 * Reads method, path and content type. The path is matched as it came, never decoded, so a name is either
 * exactly a project name or there is no such page. Returns a route, or the reply that refuses the request.
 */
export function readRoute(
  method: string,
  url: string,
  contentType: string | undefined,
  contentEncoding: string | undefined,
): GitRoute | Reply {
  const match = /^\/git\/([a-z0-9-]+)\.git\/(info\/refs|git-upload-pack|git-receive-pack)(\?[^#]*)?$/.exec(
    url,
  )
  const [, name = '', page = '', query = ''] = match ?? []
  if (!projectNamePattern.test(name)) return noSuchPage
  if (page === 'info/refs') return advertisement(method, name, query)
  if (query !== '') return noSuchPage
  const service: GitService = page === 'git-upload-pack' ? 'upload-pack' : 'receive-pack'
  if (method !== 'POST') return wrongMethod('POST')
  if (contentType?.trim().toLowerCase() !== `application/x-git-${service}-request`) {
    return unsupported(`the content type must be application/x-git-${service}-request`)
  }
  if (!knownEncodings.has(contentEncoding?.trim().toLowerCase() ?? 'identity')) {
    return unsupported('the content encoding must be gzip or none')
  }
  return { name, service, advertise: false }
}

/** Content encodings that git clients use. */
const knownEncodings: ReadonlySet<string> = new Set(['identity', 'gzip', 'x-gzip'])

function advertisement(method: string, name: string, query: string): GitRoute | Reply {
  if (method !== 'GET') return wrongMethod('GET')
  if (query === '?service=git-upload-pack') return { name, service: 'upload-pack', advertise: true }
  if (query === '?service=git-receive-pack') return { name, service: 'receive-pack', advertise: true }
  return {
    status: 403,
    code: 'forbidden',
    sentence: 'only the smart HTTP protocol of git is spoken here',
    hint: 'use a git client of version 1.6.6 or later',
  }
}

const noSuchPage: Reply = {
  status: 404,
  code: 'not_found',
  sentence: 'there is no such repository',
  hint: 'the address is <server>/git/<project>.git',
}

function wrongMethod(allowed: string): Reply {
  return {
    status: 405,
    code: 'malformed',
    sentence: `this address takes ${allowed} only`,
    headers: { Allow: allowed },
  }
}

function unsupported(sentence: string): Reply {
  return { status: 415, code: 'unsupported_media_type', sentence }
}
