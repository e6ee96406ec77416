import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { allDeploymentsApi } from './api/all-deployments.ts'
import { auditApi } from './api/audit.ts'
import { authApi } from './api/auth.ts'
import { backupsApi } from './api/backups.ts'
import { changesApi } from './api/changes.ts'
import { configVarsApi } from './api/config-vars.ts'
import { cronApi } from './api/cron.ts'
import { deploymentsApi } from './api/deployments.ts'
import { deviceApi } from './api/device.ts'
import { documentEndpoint } from './api/document.ts'
import { domainsApi } from './api/domains.ts'
import { hooksApi } from './api/hooks.ts'
import { keysApi } from './api/keys.ts'
import { logsApi } from './api/logs.ts'
import { membersApi } from './api/members.ts'
import { metricsApi } from './api/metrics.ts'
import { previewsApi } from './api/previews.ts'
import { processesApi } from './api/processes.ts'
import { projectsApi } from './api/projects.ts'
import { prometheusApi } from './api/prometheus.ts'
import { releasesApi } from './api/releases.ts'
import { remoteApi } from './api/remote.ts'
import { runApi } from './api/run.ts'
import { systemApi } from './api/system.ts'
import { trafficApi } from './api/traffic.ts'
import { usersApi } from './api/users.ts'
import { assetRoutes } from './assets.ts'
import { refuseForeign } from './csrf.ts'
import { type Endpoint, mount } from './endpoint.ts'
import { createErrorHandler, notFound } from './errors.ts'
import { keepAnswers } from './kept-answer.ts'
import { letGo } from './let-go.ts'
import { panelPages } from './panel/panel.ts'
import { paths } from './paths.ts'
import type { Env, Services } from './services.ts'
import { addressOf } from './session.ts'
import { createTokenProof } from './verified-tokens.ts'

/** The HTTP door for people and programs: middleware and mounts. */
export function createWeb(given: Omit<Services, 'kept' | 'proveToken'>): Hono<Env> {
  const services: Services = {
    ...given,
    kept: keepAnswers(() => given.engine.revision()),
    proveToken: createTokenProof(given.jwtKey, Date.now),
  }
  const web = new Hono<Env>()

  web.use(async (c, next) => {
    c.set('requestId', c.req.header('x-request-id') ?? randomUUID())
    await next()
    // what may be kept says so itself; all else is somebody's own, and secrets are among it
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store')
    if (c.req.method === 'HEAD') await letGo(c.res)
  })
  web.use(securityHeaders())
  web.use(refuseForeign(services))

  web.get(paths.tlsAsk, (c) => {
    const domain = c.req.query('domain')?.toLowerCase() ?? ''
    const known = isLoopback(addressOf(c)) && services.engine.projects.answersAt(domain)
    return c.text(known ? 'yes\n' : 'no\n', known ? 200 : 404)
  })

  const endpoints = apiEndpoints(services)
  mount(web, services, endpoints)
  web.route('/', assetRoutes())
  web.route('/', panelPages(services, endpoints))

  web.notFound(notFound)
  web.onError(createErrorHandler(services))
  return web
}

/** Every call of the API, chapter by chapter. */
export function apiEndpoints(services: Services): readonly Endpoint[] {
  const chapters = [
    authApi,
    deviceApi,
    usersApi,
    auditApi,
    projectsApi,
    membersApi,
    deploymentsApi,
    allDeploymentsApi,
    releasesApi,
    processesApi,
    runApi,
    cronApi,
    remoteApi,
    hooksApi,
    configVarsApi,
    domainsApi,
    previewsApi,
    keysApi,
    changesApi,
    backupsApi,
    logsApi,
    metricsApi,
    trafficApi,
    systemApi,
    prometheusApi,
  ]
  const endpoints = chapters.flatMap((chapter) => chapter(services))
  return [...endpoints, documentEndpoint(endpoints, services.version)]
}

function isLoopback(address: string): boolean {
  return address === 'local' || address === '::1' || /^(::ffff:)?127\./.test(address)
}

function securityHeaders() {
  const self = ["'self'"]
  const none = ["'none'"]
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: none,
      scriptSrc: self,
      styleSrc: self,
      imgSrc: self,
      connectSrc: self,
      formAction: self,
      baseUri: none,
      frameAncestors: none,
    },
    referrerPolicy: 'no-referrer',
    xFrameOptions: 'DENY',
    strictTransportSecurity: false,
  })
}
