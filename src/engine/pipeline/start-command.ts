import { access } from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../domain/refusal.ts'
import { staticCommand } from './group.ts'
import type { PackageJson } from './package-json.ts'
import { type Procfile, readProcfile } from './procfile.ts'

export interface StartCommand {
  /** What `/bin/sh` runs in the slug. */
  readonly command: string
  /** For people: where it came from, `npm start`, `Procfile web`. */
  readonly origin: string
}

/** What a slug says about how it is to be run. */
export interface SlugCommands {
  readonly start: StartCommand
  readonly workers: Readonly<Record<string, string>>
  /** Of the release phase. */
  readonly release: string | null
}

/** All commands of a slug. Refuses as `findStartCommand` and `readProcfile` do. */
export async function findCommands(
  slug: string,
  packageJson: PackageJson | null,
  setting: string,
): Promise<SlugCommands> {
  const procfile = await readProcfile(slug)
  const start = await findStartCommand(slug, packageJson, setting, procfile)
  return { start, workers: procfile?.workers ?? {}, release: procfile?.release ?? null }
}

/**
 * How to start an app: the project's setting, else Procfile `web:`, else `scripts.start`, else `main`, else
 * `index.js` or `server.js`; else, with an `index.html`, its files are served.
 * Refuses with `no_package` where there is nothing at all, with `no_start_command` where nothing says how.
 */
export async function findStartCommand(
  slug: string,
  packageJson: PackageJson | null,
  setting: string,
  procfile: Procfile | null,
): Promise<StartCommand> {
  if (setting) return { command: setting, origin: setting }
  const web = procfile?.web
  if (web) return { command: web, origin: `Procfile: ${web}` }
  const scripts = packageJson?.scripts ?? {}
  if (scripts.start) return { command: npmStart(scripts), origin: `npm start` }
  if (packageJson) {
    for (const file of [packageJson.main, 'index.js', 'server.js']) {
      if (file && (await exists(path.join(slug, file))))
        return { command: `node ${quote(file)}`, origin: `node ${file}` }
    }
  }
  if (await exists(path.join(slug, 'index.html'))) {
    return { command: staticCommand, origin: 'static files' }
  }
  throw packageJson || procfile !== null ? noStartCommand() : noPackage()
}

/**
 * `npm start` without npm: as a parent it costs 60 MB, hides the app's memory and swallows SIGTERM.
 * `prestart` still runs first. Before `exec` only a plain program may stand: no assignment, list or builtin.
 */
function npmStart({ prestart, start = '' }: Readonly<Record<string, string>>): string {
  if (!prestart) return start
  const plain = /^(?!cd\b|exec\b)[\w./@-]+(?: +[\w./@:=,-]+)*$/.test(start)
  return plain ? `(${prestart}) && exec ${start}` : `(${prestart}) && {\n${start}\n}`
}

function noPackage(): Refusal {
  return new Refusal('no_package', 'there is neither a package.json nor an index.html nor a Procfile', {
    hint: 'commit a package.json at the top of the repository, then push again',
  })
}

function noStartCommand(): Refusal {
  return new Refusal('no_start_command', 'nothing says how to start the app', {
    hint: 'add "scripts": { "start": "node server.js" } to package.json, or a Procfile with a line web: …',
  })
}

function quote(word: string): string {
  return /^[\w./@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
