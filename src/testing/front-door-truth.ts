import assert from 'node:assert/strict'
import type { Pilot } from './pilot.ts'
import { until } from './until.ts'

/** `app` answers with the current release and the config vars it should have, or is stopped: false. */
export async function answersAsWritten(pilot: Pilot): Promise<boolean> {
  const { project } = (await pilot.api('/api/project/app')).json<{
    project: { status: string; release: number }
  }>()
  if (project.status === 'stopped') return false
  const { envVars } = (await pilot.api('/api/project/app/env')).json<{
    envVars: { COLOUR?: string }
  }>()
  const right = async () => {
    const [release, colour] = (await pilot.app('app')).text.split(' ').slice(-2)
    return release === `v${project.release}` && colour === (envVars.COLOUR ?? '')
  }
  await until(`app to answer as v${project.release}`, right)
  return true
}

/** Every project and domain that there is leads somewhere, and one that was deleted nowhere. */
export async function routesAsWritten(pilot: Pilot): Promise<void> {
  const { projects } = (await pilot.api('/api/project/list')).json<{ projects: { name: string }[] }>()
  const names = projects.map(({ name }) => name)
  const { domains } = (await pilot.api('/api/project/app/domains')).json<{
    domains: { domain: string }[]
  }>()
  const newest = domains.at(-1)?.domain
  const hosts = ['gone', ...names].map((name) => [`${name}.localhost`, names.includes(name)] as const)
  for (const [host, known] of newest ? [...hosts, [newest, true] as const] : hosts) {
    const answer = await pilot.app('app', '/', { host })
    assert.equal(answer.status !== 404, known, `${host}: ${answer.status}`)
  }
}
