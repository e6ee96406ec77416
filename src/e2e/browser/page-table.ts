import type { Pilot } from '../../testing/pilot.ts'
import { answered } from '../../testing/project.ts'
import type { PageTable } from './every-page.ts'

/** Every address of the panel that answers GET. A new page needs a line here, or page-table.test.ts fails. */

/** Pages of one project. */
export const projectPages: PageTable = {
  '/': [
    { name: 'projects', path: '/', until: '#main table' },
    { name: 'projects-member', path: '/', as: 'member', until: '#main table' },
  ],
  '/projects/:id': [
    { name: 'project', path: '/projects/shop' },
    { name: 'project-member', path: '/projects/shop', as: 'member' },
    { name: 'project-stopped', path: '/projects/halted' },
    { name: 'project-broken', path: '/projects/broken' },
    { name: 'project-empty', path: '/projects/empty' },
  ],
  '/new': [{ name: 'new', path: '/new' }],
  '/new/first-push': 'a part of /new',
  '/projects/:id/stop': [{ name: 'stop', path: '/projects/shop/stop' }],
  '/projects/:id/rollback/:release': [{ name: 'rollback', path: '/projects/shop/rollback/1' }],
  '/projects/:id/deploys': [{ name: 'deploys-of-project', path: '/projects/shop/deploys' }],
  '/projects/:id/deploys/:number': [
    { name: 'deploy', path: '/projects/shop/deploys/2' },
    { name: 'deploy-failed', path: '/projects/broken/deploys/1' },
  ],
  '/projects/:id/deploys/:number/cancel': 'leads on unless a deploy runs; see the stories',
  '/projects/:id/deploys/:number/output': 'a part of the deploy',
  '/projects/:id/logs': [{ name: 'logs', path: '/projects/shop/logs' }],
  '/projects/:id/remote': [
    { name: 'remote', path: '/projects/shop/remote' },
    { name: 'remote-none', path: '/projects/empty/remote' },
    { name: 'remote-member', path: '/projects/shop/remote', as: 'member' },
  ],
  '/projects/:id/jobs': [
    { name: 'jobs', path: '/projects/shop/jobs' },
    { name: 'jobs-none', path: '/projects/empty/jobs' },
  ],
  '/projects/:id/jobs/runs/:run': [{ name: 'job-run', path: '/projects/shop/jobs/runs/1' }],
  '/projects/:id/jobs/runs/:run/output': 'a part of the run',
  '/projects/:id/metrics': [
    { name: 'metrics', path: '/projects/shop/metrics', until: '[data-metrics][data-ready]' },
    { name: 'metrics-week', path: '/projects/halted/metrics?range=7d', until: '[data-metrics][data-ready]' },
  ],
  '/projects/:id/env': [{ name: 'environment', path: '/projects/shop/env' }],
  '/projects/:id/env/export': 'a file',
  '/projects/:id/env/vars/:name': [{ name: 'config-var', path: '/projects/shop/env/vars/GREETING' }],
  '/projects/:id/env/vars/:name/remove': [
    { name: 'config-var-remove', path: '/projects/shop/env/vars/GREETING/remove' },
  ],
  '/projects/:id/env/vars/:name/value': 'a part of the environment',
}

/** Everything else. */
export const serverPages: PageTable = {
  '/projects/:id/domains': [{ name: 'domains', path: '/projects/shop/domains' }],
  '/projects/:id/settings': [
    { name: 'project-settings', path: '/projects/shop/settings' },
    { name: 'project-settings-member', path: '/projects/shop/settings', as: 'member' },
  ],
  '/projects/:id/domains/:domain/remove': 'asks about a domain; see the stories',
  '/deploys': [{ name: 'deploys', path: '/deploys' }],
  '/server': [{ name: 'server', path: '/server', until: '[data-metrics][data-ready]' }],
  '/settings': [{ name: 'settings', path: '/settings' }],
  '/settings/tokens': [{ name: 'tokens', path: '/settings/tokens' }],
  '/settings/users': [{ name: 'users', path: '/settings/users' }],
  '/settings/users/:user': [{ name: 'user', path: '/settings/users/2' }],
  '/settings/audit': [{ name: 'audit', path: '/settings/audit' }],
  '/device': [
    { name: 'device', path: '/device' },
    { name: 'device-code', path: waitingDevice },
  ],
  '/login': [{ name: 'login', path: '/login', as: 'nobody' }],
  '/setup': [{ name: 'setup-done', path: '/setup', as: 'nobody' }],
  '*': [
    { name: 'nothing-there', path: '/no/such/page', status: 404 },
    { name: 'not-allowed', path: '/server', as: 'member', status: 403 },
  ],
  '/api/docs': [{ name: 'api', path: '/api/docs' }],
  '/assets/:file': 'scripts and styles',
  '/favicon.ico': 'an icon',
  '/health': 'JSON',
  '/metrics': 'for Prometheus',
  '/tls/ask': 'for Caddy',
}

/** A command line that waits to be let in. */
async function waitingDevice(pilot: Pilot): Promise<string> {
  const asked = await pilot.api('/api/auth/device', {
    method: 'POST',
    token: null,
    body: { name: 'mia@laptop' },
  })
  const { url } = answered(asked).json<{ url: string }>()
  return new URL(url).pathname + new URL(url).search
}
