import { readFileSync } from 'node:fs'
import path from 'node:path'

/** Facts about the installed package itself. */
const root = path.join(import.meta.dirname, '..')

export const version = readVersion()

/** Where git finds `pre-receive` and `post-receive`. */
export const hooksDirectory = path.join(root, 'hooks')

/** The program of the front door, and the folder of all its code. */
export const routerProgram = path.join(import.meta.dirname, 'engine', 'router', 'main.js')

/** Templates, scripts and styles of the panel. */
export const viewsDirectory = path.join(root, 'views')

/** The project that "Deploy the sample" deploys. */
export const sampleDirectory = path.join(root, 'examples', 'hello')

/** By hand: the command line reads it at every start, and loading zod would double what a start takes. */
function readVersion(): string {
  const manifest: { readonly version?: unknown } = JSON.parse(
    readFileSync(path.join(root, 'package.json'), 'utf8'),
  )
  if (typeof manifest.version !== 'string') throw new Error('package.json names no version')
  return manifest.version
}
