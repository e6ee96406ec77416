import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { hello } from './apps.ts'
import { ask } from './ask.ts'
import type { Pilot } from './pilot.ts'
import { answered } from './project.ts'
import { until } from './until.ts'
import { type WorkTree, workTree } from './work-tree.ts'

/** The branch that is fetched; no project deploys it by itself. */
const branch = 'next'

/**
 * `fetched`, a project that is fetched from another one of the same server and has a webhook. Needs `allowLocalFetch`.
 */
export class RemoteLab {
  readonly #pilot: Pilot
  readonly #tree: WorkTree
  readonly #secret: string
  #versions = 0
  #newest = { commit: '', version: '' }

  private constructor(pilot: Pilot, tree: WorkTree, secret: string) {
    this.#pilot = pilot
    this.#tree = tree
    this.#secret = secret
  }

  static async start(pilot: Pilot): Promise<RemoteLab> {
    const tree = await workTree(hello('origin'))
    const post = (at: string, body: object, method = 'POST') => pilot.api(at, { method, body })
    answered(await post('/api/project/create', { name: 'origin' }), 201)
    answered(await post('/api/project/create', { name: 'fetched' }), 201)
    const scope = { name: 'fetch', scope: 'read', project: 'origin' }
    const { token } = answered(await post('/api/auth/tokens', scope), 201).json<{ token: string }>()
    const remote = { url: `${pilot.url}/git/origin.git`, branch, username: pilot.user, token }
    const set = answered(await post('/api/project/fetched/remote', remote, 'PUT'))
    return new RemoteLab(pilot, tree, set.json<{ webhookSecret: string }>().webhookSecret)
  }

  remove(): Promise<void> {
    return this.#tree.remove()
  }

  /** Something new at the remote. */
  async commit(): Promise<void> {
    const version = `fetched ${++this.#versions}`
    const commit = await this.#tree.commit(hello(version))
    this.#newest = { commit, version }
    const pushed = await this.#tree.push(this.#pilot.remote('origin'), `HEAD:${branch}`)
    assert.equal(pushed.code, 0, pushed.all)
  }

  /** As GitHub delivers it: true when it was taken, false where the server failed; rejects where it died. */
  async deliver(): Promise<boolean> {
    const { commit, version } = this.#newest
    const body = JSON.stringify({ ref: `refs/heads/${branch}`, after: commit })
    const answer = await ask(this.#pilot.url, '/api/hooks/fetched', {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-github-event': 'push',
        'x-github-delivery': version,
        'x-hub-signature-256': `sha256=${createHmac('sha256', this.#secret).update(body).digest('hex')}`,
      },
    })
    if (answer.status >= 500) return false
    assert.equal(answer.status, 202, answer.text)
    return true
  }

  /** What was committed last serves, and was made live once. */
  async isLiveOnce(): Promise<void> {
    const { commit, version } = this.#newest
    const serves = async () => (await this.#pilot.app('fetched')).text === version
    await until(`${version} to serve`, serves).catch(async (error: Error) => {
      const found = await this.#deployments()
      const words = found.map(({ number, status, source }) => `${number} ${status} ${source.revision}`)
      throw new Error(`${error.message}; wanted ${commit}, found ${words.join(', ')}`)
    })
    const live = (await this.#deployments()).filter(
      ({ status, source }) => source.revision === commit && (status === 'live' || status === 'retired'),
    )
    assert.equal(live.length, 1, `${version} was deployed ${live.length} times`)
  }

  async #deployments() {
    return answered(await this.#pilot.api('/api/project/fetched/deployments?limit=4')).json<{
      deployments: { number: number; status: string; source: { revision: string } }[]
    }>().deployments
  }
}
