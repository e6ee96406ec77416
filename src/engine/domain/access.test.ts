import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Action, type Actor, actions, type ProjectRole, permits, type TokenScope } from './access.ts'

/** Who may do what, as README says it. */
const table: Readonly<Record<Action, string>> = {
  'project.read': 'viewer deployer owner admin',
  'project.deploy': 'deployer owner admin',
  'project.operate': 'deployer owner admin',
  'project.manage': 'owner admin',
  'project.create': 'stranger viewer deployer owner admin',
  'account.read': 'stranger viewer deployer owner admin',
  'account.manage': 'stranger viewer deployer owner admin',
  'server.read': 'admin',
  'server.manage': 'admin',
  'users.manage': 'admin',
}

const tokens: Readonly<Record<Action, string>> = {
  'project.read': 'read push admin',
  'project.deploy': 'push admin',
  'project.operate': 'admin',
  'project.manage': 'admin',
  'project.create': 'push admin',
  'account.read': 'read push admin',
  'account.manage': '',
  'server.read': 'read admin',
  'server.manage': 'admin',
  'users.manage': '',
}

const user = (role: Actor['role']): Actor => ({
  userId: 2,
  username: 'bob',
  role,
  token: null,
  sessionId: 's',
})
const withToken = (actor: Actor, scope: TokenScope, projectId: number | null): Actor => ({
  ...actor,
  token: { id: 1, scope, projectId },
})
const projectOf = (action: Action) =>
  action.startsWith('project.') && action !== 'project.create' ? 7 : null

for (const action of actions) {
  test(`${action}: ${table[action]}`, () => {
    const may = new Set(table[action].split(' '))
    const project = projectOf(action)
    for (const role of ['viewer', 'deployer', 'owner'] as const) {
      const asRole: ProjectRole | null = project === null ? null : role
      assert.equal(permits(user('member'), action, project, asRole), may.has(role), role)
    }
    assert.equal(permits(user('member'), action, project, null), may.has('stranger'), 'stranger')
    assert.equal(permits(user('admin'), action, project, null), may.has('admin'), 'admin')
  })

  test(`${action} by a token: ${tokens[action] || 'never'}`, () => {
    const may = new Set(tokens[action].split(' '))
    const project = projectOf(action)
    for (const scope of ['read', 'push', 'admin'] as const) {
      assert.equal(
        permits(withToken(user('admin'), scope, null), action, project, null),
        may.has(scope),
        scope,
      )
    }
  })
}

test('a token never does more than its owner', () => {
  const stranger = withToken(user('member'), 'admin', null)
  assert.equal(permits(stranger, 'project.read', 7, null), false)
  assert.equal(permits(withToken(user('member'), 'admin', 7), 'project.manage', 7, 'deployer'), false)
  assert.equal(permits(stranger, 'server.read', null, null), false)
})

test('a token for one project touches no other, and nothing that belongs to none', () => {
  const token = withToken(user('admin'), 'admin', 7)
  assert.equal(permits(token, 'project.manage', 7, null), true)
  assert.equal(permits(token, 'project.read', 8, null), false)
  for (const action of actions.filter((one) => projectOf(one) === null)) {
    assert.equal(permits(token, action, null, null), false, action)
  }
})
