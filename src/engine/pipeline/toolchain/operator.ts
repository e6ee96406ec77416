import type { NpmSettings } from './registry.ts'

/**
 * What the operator set for npm, in the words of the other package managers: registry, certificates, proxies.
 * npm itself only needs to be told where the global file lies, for it would look beside the app's own Node.
 */
export function operatorEnvironment(settings: NpmSettings): Record<string, string> {
  const { registry, globalconfig, cafile, proxy, 'https-proxy': httpsProxy, noproxy } = settings
  return {
    ...(globalconfig ? { npm_config_globalconfig: globalconfig } : {}),
    ...(registry && !isDefaultRegistry(registry) ? registryFor(registry) : {}),
    ...(cafile ? { NODE_EXTRA_CA_CERTS: cafile, SSL_CERT_FILE: cafile, npm_config_cafile: cafile } : {}),
    ...(proxy ? { YARN_HTTP_PROXY: proxy, pnpm_config_proxy: proxy } : {}),
    ...(httpsProxy ? { YARN_HTTPS_PROXY: httpsProxy, pnpm_config_https_proxy: httpsProxy } : {}),
    ...(noproxy ? { pnpm_config_noproxy: noproxy } : {}),
  }
}

export function isDefaultRegistry(registry: string): boolean {
  return /^https?:\/\/registry\.(npmjs\.org|yarnpkg\.com)\/?$/.test(registry)
}

function registryFor(registry: string): Record<string, string> {
  return {
    pnpm_config_registry: registry,
    npm_config_registry: registry,
    BUN_CONFIG_REGISTRY: registry,
    YARN_NPM_REGISTRY_SERVER: registry.replace(/\/$/, ''),
    ...(registry.startsWith('http:') ? { YARN_UNSAFE_HTTP_WHITELIST: new URL(registry).hostname } : {}),
  }
}
