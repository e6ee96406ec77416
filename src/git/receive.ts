import type { Actor } from '../engine/domain/access.ts'
import { type Who, whoOf } from '../engine/domain/audit.ts'
import { isRefusal, Refusal } from '../engine/domain/refusal.ts'
import type { Engine } from '../engine/engine.ts'
import type { Failpoints } from '../engine/failpoints.ts'
import { forTerminal } from '../engine/pipeline/output.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import { DeploymentFailed, type Proven } from '../engine/use-cases/attempt.ts'
import type { RefUpdate } from './commands.ts'
import type { Push, Receiver } from './push.ts'
import type { Environment, Repositories } from './repository.ts'
import type { GitAccess } from './server.ts'
import { gitSource } from './source.ts'

/** Who speaks to git, and from where. */
export interface Sender {
  readonly actor: Actor
  readonly who: Who
}

/**
 * What a push means: the deploy branch is proved in pre-receive, before its ref moves, and goes live in
 * post-receive. Everything else is only stored.
 */
export function createReceiver(deps: {
  readonly engine: Engine
  readonly repositories: Repositories
  readonly environment: Environment
  readonly failpoint: Failpoints
}): Receiver<Sender> {
  const { engine, repositories } = deps
  const waiting = new Map<string, Held>()

  return {
    async preReceive(push) {
      const project = engine.projects.get(push.name)
      const branch = project.deployBranch ?? (await chooseBranch(repositories, push))
      const update = push.updates.find(({ ref }) => ref === `refs/heads/${branch}`)
      if (!update) {
        engine.audit.write({
          who: push.actor.who,
          action: 'project.push',
          project,
          after: { refs: refsOf(push) },
        })
        say(push, notDeployed(push, branch))
        return true
      }
      if (isNothing(update.newSha)) throw branchIsLive(branch)
      const proven = await prove(deps, push, project, branch, update)
      if (proven) {
        waiting.set(push.id, { proven, update, branch })
        await deps.failpoint('push.accepted')
      }
      return proven !== null
    },

    async postReceive(push) {
      const held = waiting.get(push.id)
      if (!held || !push.updates.some(({ ref }) => ref === held.update.ref)) return
      await deps.failpoint('push.moved')
      waiting.delete(push.id)
      await goLive(repositories, push.name, held)
    },

    async closed(push) {
      const held = waiting.get(push.id)
      if (!held) return
      waiting.delete(push.id)
      const tip = await repositories.branchTip(push.name, held.branch).catch(() => null)
      if (tip === held.update.newSha) await goLive(repositories, push.name, held)
      else await held.proven.abandon(overtaken(held.branch))
    },
  }
}

/** Proved, and waiting for git to move the ref. */
interface Held {
  readonly proven: Proven
  readonly update: RefUpdate
  readonly branch: string
}

/**
 * git has moved the ref. Where the last step fails all the same, the ref is moved back, so that the same commit
 * can be pushed again; the client has read why.
 */
async function goLive(
  repositories: Repositories,
  name: string,
  { proven, update, branch }: Held,
): Promise<void> {
  try {
    await proven.goLive()
  } catch (error) {
    // another push may have moved it on already
    await repositories.moveBack(name, update).catch(() => {})
    if (!(error instanceof DeploymentFailed)) throw error
    return
  }
  await repositories.setHead(name, branch)
}

/** The same question for every request to a repository; a first push creates its project. */
export function createAccess(deps: {
  readonly engine: Engine
  readonly repositories: Repositories
  readonly authenticate: (request: Parameters<GitAccess<Sender>['authenticate']>[0]) => Promise<Actor | null>
}): GitAccess<Sender> {
  const { engine, repositories } = deps
  const { access } = engine
  return {
    async authenticate(request) {
      const actor = await deps.authenticate(request)
      return actor && { actor, who: whoOf(actor, request.address, 'git') }
    },
    async authorize({ actor, who }, name, action, advertise) {
      const existing = engine.projects.find(name)
      if (existing) {
        access.authorize(actor, action === 'push' ? 'project.deploy' : 'project.read', existing)
        return { directory: await repositories.create(name) }
      }
      if (action !== 'push') throw new Refusal('not_found', `there is no project ${name}`)
      access.authorize(actor, 'project.create', null)
      // asking what is there creates nothing: git may only want to look (--dry-run)
      if (advertise) return { directory: await repositories.empty() }
      await engine.projects.create({ name }, who).catch((error: unknown) => {
        // two first pushes may meet here
        if (!isRefusal(error, 'conflict') || !engine.projects.find(name)) throw error
      })
      // whoever was faster may have made it somebody else's
      access.authorize(actor, 'project.deploy', engine.projects.get(name))
      return { directory: await repositories.create(name) }
    },
  }
}

async function prove(
  deps: Parameters<typeof createReceiver>[0],
  push: Push<Sender>,
  project: ProjectRow,
  branch: string,
  update: RefUpdate,
): Promise<Proven | null> {
  const { engine, repositories, environment } = deps
  const { objectEnvironment, signal } = push
  const message = await repositories.commitMessage(push.name, update.newSha, objectEnvironment)
  const source = gitSource({
    directory: push.directory,
    sha: update.newSha,
    objectEnvironment,
    message,
    environment,
  })
  try {
    return await engine.deployments.provePush({
      project,
      source,
      who: push.actor.who,
      signal,
      message: option(push, 'message') ?? message,
      noCache: push.options.includes('no-cache'),
      output: (line) => say(push, [line]),
      check: async () => {
        const tip = await repositories.branchTip(push.name, branch)
        if ((tip ?? '') !== (isNothing(update.oldSha) ? '' : update.oldSha)) throw overtaken(branch)
      },
      onLive: () => {
        if (project.deployBranch === null)
          engine.projects.change(project, { deployBranch: branch }, push.actor.who)
      },
    })
  } catch (error) {
    if (error instanceof DeploymentFailed) return null
    throw error
  }
}

/** A project without a deploy branch: `main` where it is pushed or there, else `master`. */
async function chooseBranch(repositories: Repositories, push: Push<Sender>): Promise<string> {
  const pushed = (branch: string) => push.updates.some(({ ref }) => ref === `refs/heads/${branch}`)
  if (pushed('main')) return 'main'
  if ((await repositories.branchTip(push.name, 'main')) !== null) return 'main'
  return pushed('master') || (await repositories.branchTip(push.name, 'master')) !== null ? 'master' : 'main'
}

function notDeployed(push: Push<Sender>, branch: string): string[] {
  const names = push.updates.map(({ ref }) => ref.replace(/^refs\/(heads|tags)\//, ''))
  return [
    `NodePilot  ${push.name}  stored ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' …' : ''}`,
    `hint: only ${branch} is deployed: git push nodepilot HEAD:${branch}`,
  ]
}

function refsOf(push: Push<Sender>): string[] {
  return push.updates.slice(0, 10).map(({ ref, newSha }) => `${ref.slice(0, 200)} ${newSha.slice(0, 7)}`)
}

function branchIsLive(branch: string): Refusal {
  return new Refusal('forbidden', `${branch} is the deploy branch and cannot be deleted`, {
    hint: 'delete the project, or set another deployBranch first',
  })
}

function overtaken(branch: string): Refusal {
  return new Refusal('superseded', `${branch} has moved while this push waited`, {
    hint: 'fetch, merge, push again',
  })
}

function isNothing(sha: string): boolean {
  return /^0+$/.test(sha)
}

function option(push: Push<Sender>, name: string): string | null {
  const found = push.options.find((text) => text.startsWith(`${name}=`))
  return found ? found.slice(name.length + 1) : null
}

function say(push: Push<Sender>, lines: readonly string[]): void {
  for (const line of lines.flatMap(forTerminal)) push.say(line)
}
