import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { networkOf } from '../domain/address.ts'
import { theServer, type Who } from '../domain/audit.ts'
import type { Deployment } from '../domain/deployment.ts'
import { Refusal } from '../domain/refusal.ts'
import type { DeliveryResult } from '../domain/remote.ts'
import type { DeliveryOutcome } from '../store/hook-deliveries.ts'
import type { ProjectRow } from '../store/projects.ts'
import { type HookEvent, readHookEvent } from '../webhook/event.ts'
import { createRate } from '../webhook/rate.ts'
import { type Headers, mayBeSigned, type Signed, verifySignature } from '../webhook/signature.ts'
import { DeploymentFailed } from './deployment-failed.ts'
import { branchOf, type FetchCase, liveCommit } from './fetching.ts'

export interface HookAnswer {
  readonly result: DeliveryResult
  readonly reason: string | null
  /** The number of the deployment that is under way. */
  readonly deployment: number | null
}

export type WebhookCases = ReturnType<typeof createWebhookCases>

/** A fetch that was begun by a delivery and has not ended. */
interface UnderWay {
  readonly number: Promise<number>
  /** It has not asked the remote yet, so that it will find all that was pushed until now. */
  waits: boolean
  /** What it has found. */
  sha: string | null
}

/** After a start, before each try, while the remote does not answer. */
const resumePausesMs = [0, 1_000, 10_000, 60_000, 600_000]
/** Of one project in a minute: deliveries, and knocks from one network before a signature is looked at. */
const mostDeliveries = 60
const mostKnocks = 120
/** A delivery is remembered so long; nobody repeats one later, and what is deployed is fetched anyway. */
const rememberMs = 90 * 86_400_000

/** Deliveries of webhooks: from anybody, so they prove that they know the project's secret. */
export function createWebhookCases(ctx: Context, fetch: FetchCase) {
  const { store, clock } = ctx
  const deliveries = createRate(mostDeliveries, clock)
  const knocks = createRate(mostKnocks, clock)
  const underWay = new Map<number, UnderWay>()
  let prunedAt = 0

  /** Answers as soon as the deployment has a number; it goes on behind. One that is about to fetch will do. */
  const deploy = async (project: ProjectRow, sha: string | null, who: Who): Promise<HookAnswer> => {
    const live = liveCommit(ctx, project)
    if (sha !== null && live?.sha === sha) {
      return { result: 'nothing to do', reason: `it is live already, as v${live.release}`, deployment: null }
    }
    const known = underWay.get(project.id)
    if (known && (known.waits || (sha !== null && known.sha === sha))) {
      return { result: 'deploying', reason: 'joined a deployment under way', deployment: await known.number }
    }
    return { result: 'deploying', reason: null, deployment: await begin(project, who) }
  }

  const begin = (project: ProjectRow, who: Who): Promise<number> => {
    const { number, ended } = start(project, who)
    ctx.background.run(`fetching ${project.name}`, async () => void (await ended))
    return number
  }

  /** `ended`: why it failed, where it did; that is written down already. */
  const start = (
    project: ProjectRow,
    who: Who,
  ): { readonly number: Promise<number>; readonly ended: Promise<Refusal | null> } => {
    const { promise, resolve, reject } = withResolvers<number>()
    const mine: UnderWay = { number: promise, waits: true, sha: null }
    underWay.set(project.id, mine)
    const onFetching = () => {
      mine.waits = false
    }
    const onFetched = (sha: string) => {
      mine.sha = sha
    }
    const asWebhook = { who, onlyNews: true, onBegin: resolve, onFetching, onFetched, signal: ctx.closing }
    const carryOut = async () => {
      try {
        await fetch(project, asWebhook)
        return null
      } catch (error) {
        reject(error)
        if (!(error instanceof DeploymentFailed)) throw error
        return error.refusal
      } finally {
        if (underWay.get(project.id) === mine) underWay.delete(project.id)
      }
    }
    return { number: promise, ended: carryOut() }
  }

  const remoteProject = (id: number): ProjectRow | null =>
    store.remotes.find(id) ? store.projects.find(id) : null

  /** Again and again where the remote does not answer: a machine that has just started may have no network yet. */
  const resumeOne = async (project: ProjectRow, interrupted: readonly Deployment[]): Promise<void> => {
    let known = interrupted.filter(({ projectId }) => projectId === project.id).map(({ number }) => number)
    for (const pauseMs of resumePausesMs) {
      await pause(pauseMs, undefined, { signal: ctx.closing, ref: false }).catch(() => {})
      if (ctx.closing.aborted || !remoteProject(project.id)) return
      const { number, ended } = start(project, theServer)
      // where it could not even begin, that is how it ended
      const now = await number.catch(() => null)
      if (now !== null) {
        for (const before of known) store.hookDeliveries.follow(project.id, before, now)
        known = [now]
      }
      if ((await ended)?.code !== 'fetch_failed') return
    }
  }

  const act = async (project: ProjectRow, event: HookEvent, who: Who): Promise<HookAnswer> => {
    if (event.kind === 'ping') return { result: 'pong', reason: null, deployment: null }
    if (event.kind === 'other') return ignored(`events named ${event.name} are not acted on`)
    const branch = branchOf(ctx, project)
    if (event.ref !== `refs/heads/${branch}`) return ignored(`only ${branch} is deployed`)
    if (event.deleted) return ignored('the branch was deleted')
    return await deploy(project, event.sha, who)
  }

  const prune = () => {
    if (Math.abs(clock() - prunedAt) < 3_600_000) return
    prunedAt = clock()
    store.hookDeliveries.prune(new Date(clock() - rememberMs).toISOString())
  }

  return {
    /**
     * Before the body of a delivery is read. Refuses with `not_found` (no webhook), `too_many_requests`, and
     * `unauthorized` where no body could make its signature right.
     */
    knock(name: string, headers: Headers, address: string): ProjectRow {
      const project = store.projects.find(name)
      if (!project || !store.remotes.find(project.id))
        throw new Refusal('not_found', 'there is no webhook here')
      const seconds = knocks.take(`${project.id} ${networkOf(address)}`)
      if (seconds > 0) throw tooMany(seconds)
      const secret = store.remotes.secrets(project.id)?.webhookSecret
      if (!secret || !mayBeSigned(headers, secret, clock())) throw badSignature()
      return project
    },

    /**
     * Acts on a delivery: a push to the remote's branch is fetched and deployed. Refuses with `unauthorized` where
     * the signature is not right, `malformed`, `too_many_requests`. What was delivered before is answered and ignored.
     */
    async receive(project: ProjectRow, headers: Headers, body: Buffer, address: string): Promise<HookAnswer> {
      const secret = store.remotes.secrets(project.id)?.webhookSecret
      const signed = secret ? verifySignature(headers, body, secret, clock()) : null
      if (!signed) throw badSignature()
      const seconds = deliveries.take(String(project.id))
      if (seconds > 0) throw tooMany(seconds)
      const event = readHookEvent(headers, body)
      prune()
      const id = store.hookDeliveries.create({
        projectId: project.id,
        digest: digestOf(signed, body),
        delivery: signed.id?.slice(0, 200) ?? null,
        provider: signed.provider,
        event: event.kind === 'other' ? event.name : event.kind,
        ref: event.kind === 'push' ? event.ref : null,
      })
      if (id === null) return ignored('it was delivered before; nodepilot fetch deploys once more')
      const who: Who = { name: `webhook of ${signed.provider}`, userId: null, address, via: 'system' }
      try {
        await ctx.failpoint('hook.taken')
        const answer: DeliveryOutcome & HookAnswer = await act(project, event, who)
        await ctx.failpoint('hook.begun')
        store.hookDeliveries.finish(id, answer)
        return answer
      } catch (error) {
        // it did not even begin: the sender may deliver it again
        store.hookDeliveries.forget(id)
        throw error instanceof DeploymentFailed ? error.refusal : error
      }
    },

    /**
     * At start: what a server that was killed had been told to fetch is fetched now, unless it is live already. Its
     * sender was told that it is being deployed, or nothing; few of them try again by themselves. `interrupted`:
     * deployments that it left, but for those that go on by themselves; `goneOn`: resolves when they have.
     */
    resume(interrupted: readonly Deployment[], goneOn: (projectId: number) => Promise<void>): void {
      const begun = interrupted.filter((one) => store.hookDeliveries.hasBegun(one.projectId, one.number))
      const taken = store.hookDeliveries.pushesUnfinished().filter(({ projectId, ref }) => {
        const project = remoteProject(projectId)
        return project && ref === `refs/heads/${branchOf(ctx, project)}`
      })
      store.hookDeliveries.forgetUnfinished()
      for (const projectId of new Set([...begun, ...taken].map((one) => one.projectId))) {
        const project = remoteProject(projectId)
        if (!project) continue
        ctx.background.run(`fetching ${project.name} again`, async () => {
          await goneOn(projectId)
          await resumeOne(project, begun)
        })
      }
    },
  }
}

function ignored(reason: string): HookAnswer {
  return { result: 'ignored', reason, deployment: null }
}

/** Where the sender's name for it is signed too, or nothing is, it is part of what makes it the same. */
function digestOf({ provider, id }: Signed, body: Buffer): string {
  const own = provider === 'gitlab' || provider === 'standard' ? `${id ?? ''}.` : ''
  return createHash('sha256').update(own).update(body).digest('hex')
}

function badSignature(): Refusal {
  return new Refusal('unauthorized', 'the signature of the delivery is not right', {
    hint: 'give the secret of the webhook to the sender; SHA-1 alone is not enough',
  })
}

function tooMany(seconds: number): Refusal {
  return new Refusal('too_many_requests', 'too many deliveries', { retryAfter: seconds })
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
