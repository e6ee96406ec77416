import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { type Flags, readConfig, readHome } from './config.ts'
import { isRefusal, type Refusal } from './engine/domain/refusal.ts'
import { emptyEnvironment } from './environment.ts'
import { removeDirectory, temporaryDirectory } from './testing/temporary.ts'

/** Reads the settings of a home with this `nodepilot.json`. */
async function read(
  environment: Readonly<Record<string, string>> = {},
  file: unknown = undefined,
  flags: Flags = {},
) {
  const home = await temporaryDirectory('config')
  try {
    const text = typeof file === 'string' ? file : JSON.stringify(file)
    if (file !== undefined) await writeFile(path.join(home, 'nodepilot.json'), text)
    return readConfig({ HOME: home, NODEPILOT_HOME: home, ...environment }, flags)
  } finally {
    await removeDirectory(home)
  }
}

const refused = (...given: Parameters<typeof read>): Promise<Refusal> =>
  read(...given).then(
    () => assert.fail('it was accepted'),
    (error) => (isRefusal(error, 'invalid') ? error : Promise.reject(error)),
  )

test('without a word said, the contract holds', async () => {
  const config = await read()
  assert.deepEqual(
    [config.host, config.port, config.baseDomain, config.adminPassword, config.trustedProxy],
    ['127.0.0.1', 3000, 'localhost', null, null],
  )
  assert.equal(config.limits.uploadBytes, 200_000_000)
  assert.equal(config.keepReleases, 5)
  assert.ok(Object.isFrozen(config))
})

test('the file wins over the environment, and flags over both', async () => {
  const environment = { PORT: '4000', HOST: '0.0.0.0', NODEPILOT_BASE_DOMAIN: 'Apps.Example.com' }
  const config = await read(environment, { port: 5000, keepReleases: 9 }, { host: '127.0.0.2' })
  assert.deepEqual(
    [config.host, config.port, config.baseDomain, config.keepReleases],
    ['127.0.0.2', 5000, 'apps.example.com', 9],
  )
})

test('an empty variable counts as not set', async () => {
  assert.equal((await read({ PORT: '', HOST: '', NODEPILOT_ADMIN_PASSWORD: '' })).port, 3000)
})

test('a wrong setting is refused and named with the place it came from', async () => {
  assert.match((await refused({ PORT: 'abc' })).message, /^PORT: /)
  assert.match((await refused({ PORT: '70000' })).message, /^PORT: /)
  assert.match((await refused({}, { port: -1 })).message, /^port in .*nodepilot\.json: /)
  assert.match((await refused({}, undefined, { port: '1.5' })).message, /^--port: /)
  assert.match((await refused({ NODEPILOT_TRUSTED_PROXY: 'proxy' })).message, /^NODEPILOT_TRUSTED_PROXY: /)
  assert.match((await refused({ NODEPILOT_RUNTIME: 'docker' })).message, /^NODEPILOT_RUNTIME: /)
  assert.match((await refused({ NODEPILOT_BASE_DOMAIN: 'a b' })).message, /must be a domain name/)
})

test('a port that is null, empty or yes is no port', async () => {
  for (const port of [null, '', true, []]) assert.match((await refused({}, { port })).message, /^port in /)
})

test('a setting that does not exist is refused by name, and so is a file that is no object', async () => {
  assert.match((await refused({}, { prot: 3000 })).message, /^prot in .*: there is no such setting$/)
  assert.match((await refused({}, { adminPassword: 'x' })).message, /^adminPassword in /)
  for (const text of ['{', '[]', '"x"', '']) assert.match((await refused({}, text)).message, /JSON object/)
})

test('the home is the flag, else the variable, else a folder of the user; always absolute', () => {
  assert.equal(readHome({ NODEPILOT_HOME: '/a' }, { home: '/b' }), '/b')
  assert.equal(readHome({ NODEPILOT_HOME: '/a' }), '/a')
  assert.match(readHome({}), /\/\.nodepilot$/)
  assert.ok(path.isAbsolute(readHome({ NODEPILOT_HOME: 'here' })))
})

test('after reading, the environment holds what a process needs and no secret', () => {
  const environment: NodeJS.ProcessEnv = {
    PATH: '/bin',
    HOME: '/h',
    LANG: 'C',
    NODEPILOT_ADMIN_PASSWORD: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    NODE_OPTIONS: '--inspect',
  }
  emptyEnvironment(environment)
  assert.deepEqual(environment, { PATH: '/bin', HOME: '/h', LANG: 'C' })
})

test('apps see PATH with the node of the server, LANG and TZ; nothing else', async () => {
  const { environment } = await read({ PATH: '/bin', TZ: 'UTC', SECRET: 'x' })
  assert.deepEqual(environment, {
    PATH: `${path.dirname(process.execPath)}:/bin`,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
  })
})

test('npm alone sees its own settings and proxies, and not what npm exports to its scripts', async () => {
  const given = { npm_config_registry: 'http://r', npm_config_yes: '1', HTTPS_PROXY: 'http://p', SECRET: 'x' }
  assert.deepEqual((await read(given)).npmEnvironment, {
    npm_config_userconfig: '/dev/null',
    HTTPS_PROXY: 'http://p',
    npm_config_registry: 'http://r',
    npm_config_yes: '1',
  })
  const byNpm = { ...given, npm_lifecycle_event: 'start', npm_config_local_prefix: '/here' }
  assert.deepEqual((await read(byNpm)).npmEnvironment, {
    npm_config_userconfig: '/dev/null',
    HTTPS_PROXY: 'http://p',
    npm_config_registry: 'http://r',
  })
})

test('what only tests may do needs a second word, so that nobody trips over it', async () => {
  assert.equal((await read({ NODEPILOT_FAILPOINT: 'deploy.built' })).failpoints, null)
  assert.equal((await read({ NODEPILOT_TESTING: '1' })).failpoints, null)
  const both = { NODEPILOT_TESTING: '1', NODEPILOT_FAILPOINT: 'deploy.built:throw' }
  assert.equal((await read(both)).failpoints, 'deploy.built:throw')
  assert.equal((await read({ NODEPILOT_PASSWORD_COST: '4' })).passwordCost, null)
  assert.equal((await read({ NODEPILOT_TESTING: '1' })).passwordCost, null)
  assert.equal((await read({ NODEPILOT_TESTING: '1', NODEPILOT_PASSWORD_COST: '4' })).passwordCost, 4)
})
