import type { Context, Hono } from 'hono'
import type { z } from 'zod'
import type { Action, Actor } from '../engine/domain/access.ts'
import type { Who } from '../engine/domain/audit.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import { methodNotAllowed } from './errors.ts'
import { readJson, readQuery } from './input.ts'
import type { Env, Services } from './services.ts'
import { requireActor } from './session.ts'

/**
 * One call of the API: what it needs, what it takes, what it answers. The same declaration validates, authorises
 * and is described in the OpenAPI document, so that the three cannot differ.
 */
export interface Endpoint {
  readonly method: Method
  /** As in `paths.api`; `:id` is always a project, by number or name. */
  readonly path: string
  /** The chapter of the document. */
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly access: Access
  readonly query?: z.ZodObject
  /** The JSON body. Read and checked before the handler runs, unless there is a `form` too. */
  readonly body?: z.ZodType
  /** A multipart body, which the handler reads itself as a stream; then `body` is read by the handler too. */
  readonly form?: z.ZodObject
  /** Media type of a body that the handler reads itself, as it comes. */
  readonly raw?: string
  /** A request that works, for the document. */
  readonly example?: Example
  readonly answers: Readonly<Record<number, Answer>>
  respond(services: Services, c: Context<Env>): Promise<Response>
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** `anyone`: without signing in. `signed-in`: the handler decides what is shown. Else: who may do this action. */
export type Access = 'anyone' | 'signed-in' | Action

export interface Example {
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface Answer {
  readonly description: string
  /** Of the JSON body; without one the answer has no body, or one of `type`. */
  readonly schema?: z.ZodType
  /** Media type of a body that is not JSON. */
  readonly type?: string
}

type ProjectOf<Path> = Path extends `${string}/:id${'' | `/${string}`}` ? ProjectRow : null
type ActorOf<A> = A extends 'anyone' ? null : Actor
type WhoOf<A> = A extends 'anyone' ? null : Who
type Parsed<Schema> = Schema extends z.ZodType ? z.infer<Schema> : undefined

interface Declaration<Path, A, Query, Body, Form> extends Omit<Endpoint, 'respond'> {
  readonly path: Path & string
  readonly access: A & Access
  readonly query?: Query & z.ZodObject
  readonly body?: Body & z.ZodType
  readonly form?: Form & z.ZodObject
  handler(request: {
    readonly c: Context<Env>
    readonly actor: ActorOf<A>
    /** The actor, for the audit log. */
    readonly who: WhoOf<A>
    readonly project: ProjectOf<Path>
    readonly query: Parsed<Query>
    readonly body: Form extends z.ZodType ? undefined : Parsed<Body>
  }): Response | Promise<Response>
}

export function endpoint<
  const Path extends string,
  const A extends Access,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
  Form extends z.ZodObject | undefined = undefined,
>(declaration: Declaration<Path, A, Query, Body, Form>): Endpoint {
  const { handler, ...facts } = declaration
  return {
    ...facts,
    async respond(services, c) {
      // who may, before what was sent: a stranger learns nothing from a validation error
      const actor = facts.access === 'anyone' ? null : c.get('actor')
      const who = actor && c.get('who')
      const project = authorizeFor(services, c, facts, actor)
      const query = facts.query && readQuery(c, facts.query)
      const body = facts.body && !facts.form ? await readJson(c, facts.body) : undefined
      type Request = Parameters<typeof handler>[0]
      return handler({ c, actor, who, project, query, body } as Request)
    },
  }
}

/** Puts endpoints under their addresses; another method there is answered with 405 and `Allow`. */
export function mount(web: Hono<Env>, services: Services, endpoints: readonly Endpoint[]): void {
  const signedIn = requireActor(services)
  const open = (_: Context<Env>, next: () => Promise<void>) => next()
  for (const { method, path, access, respond } of endpoints) {
    web.on(method.toUpperCase(), path, access === 'anyone' ? open : signedIn, (c) => respond(services, c))
  }
  for (const path of new Set(endpoints.map((one) => one.path))) {
    const here = endpoints.filter((one) => one.path === path)
    const allowed = here.map(({ method }) => method.toUpperCase())
    web.all(path, here.some(({ access }) => access === 'anyone') ? open : signedIn, () =>
      methodNotAllowed(allowed),
    )
  }
}

/** The project that `:id` names, once it is clear that the actor may do this to it. */
function authorizeFor(
  services: Services,
  c: Context<Env>,
  { access, path }: Pick<Endpoint, 'access' | 'path'>,
  actor: Actor | null,
): ProjectRow | null {
  const named = /\/:id(\/|$)/.test(path)
  const project = named ? services.engine.projects.get(c.req.param('id') ?? '') : null
  if (actor && access !== 'anyone' && access !== 'signed-in') {
    services.engine.access.authorize(actor, access, project)
  }
  return project
}
