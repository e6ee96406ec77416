// The apps of the bench, and how one is changed by a line so that the new version can be told from the old one.
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../scripts/script.mjs'

const { workTree } = await import(join(root, 'dist', 'testing', 'work-tree.js'))

/** name → the file that holds the line, whether there is a lockfile with packages, whether there is a build. */
export const apps = {
  hello: { marker: 'server.js', start: 'server.js', packages: false, build: false },
  express: { marker: 'server.js', start: 'server.js', packages: true, build: false },
  heavier: { marker: 'src/version.ts', start: 'dist/server.js', packages: true, build: true },
}

export function folderOf(name) {
  return join(dirname(fileURLToPath(import.meta.url)), 'apps', name)
}

/** A git work tree of the app; `change()` commits a one-line edit and returns the text the app will answer with. */
export async function appTree(name) {
  const tree = await workTree({ copyOf: folderOf(name) })
  let edits = 0
  return {
    ...tree,
    name,
    async change() {
      const token = `t${Date.now().toString(36)}n${edits++}`
      await edit(join(tree.directory, apps[name]?.marker ?? 'server.js'), token)
      await tree.commit({}, `bench ${token}`)
      return token
    },
  }
}

async function edit(file, token) {
  const text = await readFile(file, 'utf8')
  const edited = text.replace(/(VERSION = ')[^']*(')/, `$1${token}$2`)
  if (edited === text) throw new Error(`${file} has no line VERSION = '…'`)
  await writeFile(file, edited)
}
