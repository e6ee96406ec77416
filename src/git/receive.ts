import type { Actor } from '../engine/domain/access.ts'
import { type Who, whoOf } from '../engine/domain/audit.ts'
import { isRefusal, Refusal } from '../engine/domain/refusal.ts'
import type { Engine } from '../engine/engine.ts'
import type { Failpoints } from '../engine/failpoints.ts'
import { forTerminal } from '../engine/pipeline/output.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import type { Proven } from '../engine/use-cases/attempt.ts'
import { DeploymentFailed } from '../engine/use-cases/deployment-failed.ts'
import type { RefUpdate } from './commands.ts'
import type { Push, Receiver } from './push.ts'
import {
  branchIsLive,
  isNothing,
  isStored,
  notDeployed,
  onlyOneIsDeployed,
  overtaken,
  pushToParent,
  refsOf,
} from './push-words.ts'
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
  const waiting = new Map<string, readonly Held[]>()

  return {
    async preReceive(push) {
      const project = engine.projects.get(push.name)
      const branch = project.deployBranch ?? (await chooseBranch(repositories, push))
      const deployed = push.updates.find(({ ref }) => ref === `refs/heads/${branch}`)
      if (deployed && isNothing(deployed.newSha)) throw branchIsLive(branch)
      const previews = await previewTargets(engine, push, project, branch)
      const targets: Target[] = [
        ...(deployed ? [{ project, update: deployed, branch }] : []),
        ...previews.targets,
      ]
      if (targets.length === 0) {
        engine.audit.write({
          who: push.actor.who,
          action: 'project.push',
          project,
          after: { refs: refsOf(push) },
        })
        say(push, notDeployed(push))
        if (!project.settings.previews && push.updates.some(isStored)) say(push, [onlyOneIsDeployed(branch)])
        for (const why of previews.refused) say(push, why)
        return true
      }
      for (const why of previews.refused) say(push, why)
      // all or nothing, as git takes the refs of a push: what was proved already is given up with the others
      const held: Held[] = []
      waiting.set(push.id, held)
      for (const target of targets) {
        const proven = await prove(deps, push, target)
        if (!proven) return false
        held.push({ ...target, proven })
      }
      await deps.failpoint('push.accepted')
      return true
    },

    async postReceive(push) {
      const project = engine.projects.find(push.name)
      for (const { ref, newSha } of push.updates) {
        if (project && isNothing(newSha)) engine.previews.removeBranch(project, branchOf(ref), push.actor.who)
      }
      const held = waiting.get(push.id) ?? []
      const moved = held.filter(({ update }) => push.updates.some(({ ref }) => ref === update.ref))
      if (moved.length === 0) return
      await deps.failpoint('push.moved')
      waiting.set(
        push.id,
        held.filter((one) => !moved.includes(one)),
      )
      for (const one of moved) await goLive(repositories, push.name, one)
    },

    async closed(push) {
      const held = waiting.get(push.id) ?? []
      waiting.delete(push.id)
      for (const one of held) {
        const tip = await repositories.branchTip(push.name, one.branch).catch(() => null)
        if (tip === one.update.newSha) await goLive(repositories, push.name, one)
        else await one.proven.abandon(overtaken(one.branch))
      }
    },
  }
}

/** What a pushed branch is deployed as: the project itself, or a preview of it. */
interface Target {
  readonly project: ProjectRow
  readonly update: RefUpdate
  readonly branch: string
}

/** Proved, and waiting for git to move the ref. */
interface Held extends Target {
  readonly proven: Proven
}

/**
 * git has moved the ref. Where the last step fails all the same, the ref is moved back, so that the same commit
 * can be pushed again; the client has read why.
 */
async function goLive(
  repositories: Repositories,
  name: string,
  { project, proven, update, branch }: Held,
): Promise<void> {
  try {
    await proven.goLive()
  } catch (error) {
    // another push may have moved it on already
    await repositories.moveBack(name, update).catch(() => {})
    if (!(error instanceof DeploymentFailed)) throw error
    return
  }
  if (project.preview === null) await repositories.setHead(name, branch)
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
        const parent = engine.previews.parentOf(existing)
        if (parent) throw pushToParent(parent.name, existing.preview?.branch ?? '')
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
  { project, branch, update }: Target,
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
        if (project.deployBranch === null) engine.projects.deployFrom(project, branch, push.actor.who)
      },
    })
  } catch (error) {
    if (error instanceof DeploymentFailed) return null
    throw error
  }
}

/**
 * Every other pushed branch, where the project has previews. One that gets none is stored all the same, and the
 * push says why.
 */
async function previewTargets(
  engine: Engine,
  push: Push<Sender>,
  project: ProjectRow,
  deployBranch: string,
): Promise<{ readonly targets: readonly Target[]; readonly refused: readonly (readonly string[])[] }> {
  const targets: Target[] = []
  const refused: string[][] = []
  for (const update of project.settings.previews ? push.updates.filter(isStored) : []) {
    const branch = branchOf(update.ref)
    if (branch === '' || branch === deployBranch) continue
    try {
      const preview = await engine.previews.forPush(project, branch, push.actor.who)
      targets.push({ project: preview, update, branch })
    } catch (error) {
      if (!isRefusal(error, 'conflict')) throw error
      const why = error.message.replace(/^name: /, '')
      refused.push([`warning: no preview of ${branch}: ${why}`, `hint: ${error.hint ?? ''}`])
    }
  }
  return { targets, refused }
}

/** `feature/x` of `refs/heads/feature/x`; '' of a tag. */
function branchOf(ref: string): string {
  return ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : ''
}

/** A project without a deploy branch: `main` where it is pushed or there, else `master`. */
async function chooseBranch(repositories: Repositories, push: Push<Sender>): Promise<string> {
  const pushed = (branch: string) => push.updates.some(({ ref }) => ref === `refs/heads/${branch}`)
  if (pushed('main')) return 'main'
  if ((await repositories.branchTip(push.name, 'main')) !== null) return 'main'
  return pushed('master') || (await repositories.branchTip(push.name, 'master')) !== null ? 'master' : 'main'
}

function option(push: Push<Sender>, name: string): string | null {
  const found = push.options.find((text) => text.startsWith(`${name}=`))
  return found ? found.slice(name.length + 1) : null
}

function say(push: Push<Sender>, lines: readonly string[]): void {
  for (const line of lines.flatMap(forTerminal)) push.say(line)
}
