import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { openApiDocument } from '../openapi.ts'
import { paths } from '../paths.ts'

/** The description of all of this, itself included; made once, when it is asked for first. */
export function documentEndpoint(others: readonly Endpoint[], version: string): Endpoint {
  let made: ReturnType<typeof openApiDocument> | undefined
  const itself: Endpoint = endpoint({
    method: 'get',
    path: paths.api.document,
    tag: 'About',
    summary: 'This document',
    access: 'signed-in',
    answers: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
    handler({ c }) {
      made ??= openApiDocument([...others, itself], version)
      return c.json(made)
    },
  })
  return itself
}
