import { Refusal } from '../engine/domain/refusal.ts'
import type { RefUpdate } from './commands.ts'

interface Pushed {
  readonly name: string
  readonly updates: readonly RefUpdate[]
}

/** `stored a, b` and `removed c`. */
export function notDeployed(push: Pushed): string[] {
  const line = (verb: string, updates: readonly RefUpdate[]) => {
    const names = updates.map(({ ref }) => ref.replace(/^refs\/(heads|tags)\//, ''))
    const more = names.length > 5 ? ' …' : ''
    return names.length === 0
      ? []
      : [`NodePilot  ${push.name}  ${verb} ${names.slice(0, 5).join(', ')}${more}`]
  }
  const removed = push.updates.filter((update) => !isStored(update))
  return [...line('stored', push.updates.filter(isStored)), ...line('removed', removed)]
}

export function onlyOneIsDeployed(branch: string): string {
  return `hint: only ${branch} is deployed: git push nodepilot HEAD:${branch}`
}

/** For the audit log. */
export function refsOf(push: Pushed): string[] {
  return push.updates.slice(0, 10).map(({ ref, newSha }) => `${ref.slice(0, 200)} ${newSha.slice(0, 7)}`)
}

export function pushToParent(parent: string, branch: string): Refusal {
  return new Refusal(
    'forbidden',
    `this is a preview of ${parent}: its commits are in the repository of ${parent}`,
    {
      hint: `push there: git push nodepilot ${branch}`,
    },
  )
}

export function branchIsLive(branch: string): Refusal {
  return new Refusal('forbidden', `${branch} is the deploy branch and cannot be deleted`, {
    hint: 'delete the project, or set another deployBranch first',
  })
}

export function overtaken(branch: string): Refusal {
  return new Refusal('superseded', `${branch} has moved while this push waited`, {
    hint: 'fetch, merge, push again',
  })
}

/** Not a deletion. */
export function isStored({ newSha }: RefUpdate): boolean {
  return !isNothing(newSha)
}

export function isNothing(sha: string): boolean {
  return /^0+$/.test(sha)
}
