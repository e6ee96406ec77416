import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** Facts about the installed package itself. */
const root = path.join(import.meta.dirname, '..')

export const version = readVersion(path.join(root, 'package.json'))

/** Read when it is asked for: most commands do not need it. */
export function pm2Version(): string {
  return readVersion(createRequire(import.meta.url).resolve('pm2/package.json'))
}

/** The program that people and systemd start. */
export const entryProgram = path.join(root, 'bin', 'nodepilot')

/** Where git finds `pre-receive` and `post-receive`. */
export const hooksDirectory = path.join(root, 'hooks')

/** The program of the front door, and the folder of all its code. */
export const routerProgram = path.join(import.meta.dirname, 'engine', 'router', 'main.js')

/** Templates, scripts and styles of the panel. */
export const viewsDirectory = path.join(root, 'views')

/** The project that "Deploy the sample" deploys. */
export const sampleDirectory = path.join(root, 'examples', 'hello')

/** By hand: the command line reads it at every start, and loading zod would double what a start takes. */
function readVersion(file: string): string {
  const manifest: { readonly version?: unknown } = JSON.parse(readFileSync(file, 'utf8'))
  if (typeof manifest.version !== 'string') throw new Error(`${file} names no version`)
  return manifest.version
}
