import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'

/** Facts about the installed package itself. */
const root = path.join(import.meta.dirname, '..')

export const version = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))).version

/** Where git finds `pre-receive` and `post-receive`. */
export const hooksDirectory = path.join(root, 'hooks')

/** The program of the front door, and the folder of all its code. */
export const routerProgram = path.join(import.meta.dirname, 'engine', 'router', 'main.js')

/** Templates, scripts and styles of the panel. */
export const viewsDirectory = path.join(root, 'views')

/** The project that "Deploy the sample" deploys. */
export const sampleDirectory = path.join(root, 'examples', 'hello')
