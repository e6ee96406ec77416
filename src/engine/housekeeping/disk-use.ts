import { readdir, statfs } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'
import { sizesOf } from './measure.ts'

/** What takes how much of the disk, bytes. What several share counts once: under the caches. */
export interface DiskUse {
  /** ISO 8601, UTC: measuring takes its time, and is not done for everybody who asks. */
  readonly measuredAt: string
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number; readonly minFreeBytes: number }
  /** The largest first. */
  readonly projects: readonly ProjectDiskUse[]
  /** Database, backups, and every folder of the cache; the largest first. */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[]
}

export interface ProjectDiskUse {
  readonly name: string
  readonly bytes: number
  readonly releasesBytes: number
  readonly dataBytes: number
  readonly repositoryBytes: number
  readonly logsBytes: number
  /** Caches of the tools its builds use. */
  readonly buildHomeBytes: number
}

/** Folders of the cache, as people call what is in them; what tools keep there by themselves is one part. */
const cacheWords: Readonly<Record<string, string>> = {
  modules: 'kept node_modules',
  npm: 'npm cache',
  node: 'versions of Node',
  managers: 'package managers',
  'build-home': 'temporary files of builds',
}
const otherCaches = 'other caches'

export async function measureDisk(ctx: Context): Promise<DiskUse> {
  const { paths, environment, closing } = ctx
  const caches = await readdir(paths.cache).catch(() => [] as string[])
  const parts = new Map<string, readonly string[]>([
    ['database', [paths.database, `${paths.database}-wal`, `${paths.database}-shm`]],
    ['backups', [paths.backups]],
  ])
  for (const name of caches) {
    const part = cacheWords[name] ?? otherCaches
    parts.set(part, [...(parts.get(part) ?? []), path.join(paths.cache, name)])
  }
  const names = ctx.store.projects.list().map(({ name }) => name)
  const all = [...[...parts.values()].flat(), ...names.flatMap((name) => Object.values(placesOf(ctx, name)))]
  const sizes = await sizesOf(all, { env: environment, signal: closing })
  const sum = (places: readonly string[]) =>
    places.reduce((bytes, place) => bytes + (sizes.get(place) ?? 0), 0)
  const { blocks, bavail, bsize } = await statfs(paths.home)
  return {
    measuredAt: new Date(ctx.clock()).toISOString(),
    disk: { totalBytes: blocks * bsize, freeBytes: bavail * bsize, minFreeBytes: ctx.minFreeBytes },
    projects: names.map((name) => useOf(ctx, name, sizes)).sort((a, b) => b.bytes - a.bytes),
    parts: [...parts]
      .map(([name, places]) => ({ name, bytes: sum(places) }))
      .sort((a, b) => b.bytes - a.bytes),
  }
}

function placesOf({ paths }: Context, name: string) {
  return {
    releasesBytes: paths.releases(name),
    dataBytes: paths.data(name),
    repositoryBytes: path.join(paths.repositories, `${name}.git`),
    logsBytes: paths.projectLogs(name),
    buildHomeBytes: paths.buildHome(name),
  }
}

function useOf(ctx: Context, name: string, sizes: ReadonlyMap<string, number>): ProjectDiskUse {
  const places = placesOf(ctx, name)
  const size = (place: keyof typeof places) => sizes.get(places[place]) ?? 0
  const use = {
    releasesBytes: size('releasesBytes'),
    dataBytes: size('dataBytes'),
    repositoryBytes: size('repositoryBytes'),
    logsBytes: size('logsBytes'),
    buildHomeBytes: size('buildHomeBytes'),
  }
  return { name, bytes: Object.values(use).reduce((all, bytes) => all + bytes, 0), ...use }
}
