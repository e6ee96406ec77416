import { access, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../domain/refusal.ts'
import { type StaticFiles, staticCommand } from '../domain/release-plan.ts'
import type { App } from './read-app.ts'

/** How `web` of a slug is run. */
export interface WebPart {
  /** What `/bin/sh` runs in the app's folder; of static files, what stands for it in lists. */
  readonly command: string
  /** For people: where it came from, `npm start`, `Procfile: node x.js`, `files of dist/`. */
  readonly origin: string
  /** null: it is a process. */
  readonly static: StaticFiles | null
}

/** Where tools put a site that they built, the usual ones first. */
const built = ['dist', 'build', 'out', '_site', 'public']

/**
 * What the settings, the app file or the Procfile say, else `scripts.start`, else `main`, else `index.js` or
 * `server.js`; else files with an `index.html` are served, those that a build made before those it was made from.
 * Refuses with `no_package` where there is nothing at all, with `no_start_command` where nothing says how, with
 * `rejected_tree` where the folder of static files is not there.
 */
export async function findWeb(
  slug: string,
  { rootDir, config, packageJson, procfile }: App,
): Promise<WebPart> {
  const folder = path.join(slug, rootDir)
  const { web, spa } = config
  if (web?.kind === 'command') {
    const origin = web.from === 'Procfile' ? `Procfile: ${web.command}` : web.command
    return process(web.command, origin)
  }
  if (web?.kind === 'static') {
    return files(slug, rootDir, { directory: web.directory, spa })
  }
  const scripts = packageJson?.scripts ?? {}
  if (scripts.start) return process(npmStart(scripts), 'npm start')
  if (packageJson) {
    for (const file of [packageJson.main, 'index.js', 'server.js']) {
      if (file && (await exists(path.join(folder, file))))
        return process(`node ${quote(file)}`, `node ${file}`)
    }
  }
  for (const directory of [...(builds({ config, packageJson }) ? built : []), '']) {
    if (await exists(path.join(folder, directory, 'index.html')))
      return files(slug, rootDir, { directory, spa })
  }
  throw packageJson || procfile ? noStartCommand() : noPackage()
}

/** Whether something is built: then only after it can be known what there is to start. */
export function builds({ config, packageJson }: Pick<App, 'config' | 'packageJson'>): boolean {
  return config.build !== null || Boolean(packageJson?.scripts.build)
}

function process(command: string, origin: string): WebPart {
  return { command, origin, static: null }
}

async function files(slug: string, rootDir: string, site: StaticFiles): Promise<WebPart> {
  await requireStatic(slug, path.join(slug, rootDir, site.directory), site.directory || '.')
  const origin = site.directory === '' ? 'static files' : `static files of ${site.directory}/`
  return { command: staticCommand(site.directory), origin, static: site }
}

/** A build may have made a link of it that leads anywhere. */
async function requireStatic(slug: string, folder: string, name: string): Promise<void> {
  const real = await realpath(folder).catch(() => null)
  const hint = 'name the folder with the files, or the one that the build writes'
  if (real === null || !(await stat(real)).isDirectory()) {
    throw new Refusal('rejected_tree', `static: there is no folder ${name}`, { hint })
  }
  if (`${real}${path.sep}`.startsWith((await realpath(slug)) + path.sep)) return
  throw new Refusal('rejected_tree', `static: ${name} leads out of the app`, { hint })
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
