import { createReadStream } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import path from 'node:path'
import { type Api, address } from '../client/api.ts'
import { finish } from '../client/deployment.ts'
import { usage } from '../client/failure.ts'
import { listSource, packSource } from '../client/pack.ts'
import { counting, createProgress } from '../client/progress.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { deployed } from '../client/shapes.ts'
import { fileForm } from '../client/upload.ts'
import { bytes } from '../client/words.ts'
import type { DeployFlags } from '../register/deploys.ts'

/** `nodepilot deploy`: what there is to deploy goes to the server, whose log is followed to the end. */
export async function deploy(cli: Cli, what: string | undefined, flags: DeployFlags): Promise<void> {
  const ways = [what, flags.ref, flags.again].filter((way) => way !== undefined)
  if (ways.length > 1) throw usage('a file, --ref or --again: one of them', 'nodepilot deploy --help')
  const project = await cli.project()
  const api = await cli.connect()
  const begun = await begin(cli, api, project, what, flags)
  if (!flags.detach) return finish(cli, api, begun)
  if (cli.out.json) return cli.out.document(begun)
  const { number } = read(deployed, begun).deployment
  cli.out.line(`deployment ${number} has begun`)
  cli.out.note(`follow it: nodepilot deploy-log ${number} -f -p ${project}`)
}

async function begin(
  cli: Cli,
  api: Api,
  project: string,
  what: string | undefined,
  { ref, again }: DeployFlags,
): Promise<unknown> {
  const where = address`/api/project/${project}/deploy`
  const headers = { prefer: 'respond-async' }
  if (ref !== undefined || again) {
    return (await api.ask('POST', where, { headers, body: ref === undefined ? {} : { ref } })).body
  }
  // before anything is packed: is there such a project, and may we?
  await api.get(address`/api/project/${project}`)
  const { form, done } = await openUpload(cli, what ?? '.')
  const answer = await api.ask('POST', where, {
    upload: form.upload,
    headers: { ...headers, ...form.headers },
  })
  done()
  return answer.body
}

async function openUpload(cli: Cli, what: string) {
  const file = path.resolve(cli.directory, what)
  const found = await stat(file).catch(() => null)
  if (found?.isDirectory()) return packFolder(cli, file)
  if (!found?.isFile())
    throw usage(`${what}: there is no such folder or archive`, 'nodepilot deploy <folder>')
  if (!/\.(zip|tar\.gz|tgz)$/i.test(file)) {
    throw usage(`${what} is no .zip, .tar.gz or .tgz`, 'give the folder instead: nodepilot deploy <folder>')
  }
  const { size } = found
  const progress = createProgress(cli.out, 'Upload', size, cli.clock)
  const stream = createReadStream(file).pipe(counting((count) => progress.add(count)))
  const done = () => progress.done(`Uploaded ${path.basename(file)}, ${bytes(size)}`)
  return { form: fileForm(path.basename(file), stream, size), done }
}

async function packFolder(cli: Cli, root: string) {
  const listing = await listSource(root)
  for (const name of listing.skipped)
    cli.out.note(`warning: ${JSON.stringify(name)} is neither file, folder nor link`)
  if ((await isFile(path.join(root, '.env'))) && listing.names.includes('.env')) {
    cli.out.note(
      'warning: .env goes along; config vars are the place for secrets: nodepilot config import .env',
    )
  }
  const progress = createProgress(cli.out, 'Upload', listing.bytes, cli.clock)
  let sent = 0
  const packed = await packSource(root, listing.names, (count) => progress.add(count))
  const stream = packed.pipe(
    counting((count) => {
      sent += count
    }),
  )
  packed.once('error', (error) => stream.destroy(error))
  const done = () =>
    progress.done(`Uploaded ${listing.names.length} files, ${bytes(listing.bytes)}, packed ${bytes(sent)}`)
  return { form: fileForm('source.tar.gz', stream, null), done }
}

async function isFile(file: string): Promise<boolean> {
  return (await lstat(file).catch(() => null))?.isFile() ?? false
}
