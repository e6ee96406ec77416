import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ServiceRequest, serviceCommand, speaksVersion2 } from './service.ts'

const request: ServiceRequest = {
  service: 'receive-pack',
  directory: '/home/repositories/shop.git',
  advertise: false,
  protocol: undefined,
  hooksDirectory: '/opt/hooks',
  maxPackBytes: 1234,
  keepPack: false,
  environment: { PATH: '/bin', GIT_DIR: '/evil', GIT_CONFIG_COUNT: '1' },
}

/** The words after git's own settings. */
const words = (own: Partial<ServiceRequest>) => {
  const { args } = serviceCommand({ ...request, ...own })
  return args.slice(args.lastIndexOf('-c') + 2)
}

test('the command is the service, its mode and the directory', () => {
  assert.deepEqual(words({}), ['receive-pack', '--stateless-rpc', request.directory])
  assert.deepEqual(words({ service: 'upload-pack', advertise: true }), [
    'upload-pack',
    '--stateless-rpc',
    '--advertise-refs',
    request.directory,
  ])
})

test('hooks, limits and silence are settings of the command, not of the repository', () => {
  const { args } = serviceCommand(request)
  for (const setting of [
    'core.hooksPath=/opt/hooks',
    'receive.maxInputSize=1234',
    'receive.autogc=false',
    'gc.auto=0',
    'protocol.allow=never',
    'receive.shallowUpdate=true',
    'receive.advertisePushOptions=true',
  ]) {
    assert.equal(args[args.indexOf(setting) - 1], '-c', setting)
  }
  const kept = (keepPack: boolean) => serviceCommand({ ...request, keepPack }).args.join(' ')
  assert.ok(kept(true).includes('receive.unpackLimit=1') && !kept(false).includes('unpackLimit'))
})

test('git sees none of the git variables of the server, and no settings of the machine', () => {
  const { env } = serviceCommand(request)
  assert.deepEqual(env, {
    PATH: '/bin',
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    NODEPILOT_CHANNEL: '3,4',
  })
  assert.equal(serviceCommand({ ...request, service: 'upload-pack' }).env.NODEPILOT_CHANNEL, undefined)
})

test('a protocol is passed on only where it looks like one', () => {
  const protocol = (header: string) => serviceCommand({ ...request, protocol: header }).env.GIT_PROTOCOL
  assert.equal(protocol('version=2'), 'version=2')
  assert.equal(protocol('version=2:agent=x'), 'version=2:agent=x')
  for (const strange of ['', 'version=2 ', '$(id)', 'a\nb', 'x'.repeat(200)]) {
    assert.equal(protocol(strange), undefined)
  }
  assert.equal(speaksVersion2('upload-pack', 'version=2'), true)
  assert.equal(speaksVersion2('upload-pack', 'version=1'), false)
  assert.equal(speaksVersion2('upload-pack', 'version=2 '), false)
  assert.equal(speaksVersion2('receive-pack', 'version=2'), false)
})
