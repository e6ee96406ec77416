import type { Command } from 'commander'
import type { GlobalFlags } from '../client/session.ts'
import type { MaintenanceOptions } from '../commands/maintenance.ts'
import type { RunFlags } from '../commands/run.ts'
import type { Run } from '../run.ts'
import { count } from './deploys.ts'
import { withExamples } from './examples.ts'

/** What runs. */
export function registerProcesses(program: Command, run: Run, flags: () => GlobalFlags): void {
  program.commandsGroup('Processes:')
  const load = () => import('../commands/processes.ts')

  program
    .command('ps [project]')
    .summary('list the processes')
    .action((name: string | undefined) => run(async (cli) => (await load()).ps(cli, name)))

  const scale = program
    .command('scale [type=count...]')
    .summary('how many copies of each process run')
    .action((pairs: string[]) => run(async (cli) => (await load()).scale(cli, pairs)))
  withExamples(scale, 'scale', 'scale web=2 worker=1')

  program
    .command('start [project]')
    .summary('start a stopped project')
    .action((name: string | undefined) => run(async (cli) => (await load()).change(cli, 'start', name)))

  const restart = program
    .command('restart [project]')
    .summary('restart a project without downtime')
    .option('-t, --type <type>', 'only the processes of this type')
    .action((name: string | undefined, { type }: { readonly type?: string }) =>
      run(async (cli) => (await load()).change(cli, 'restart', name, type)),
    )
  withExamples(restart, 'restart', 'restart --type worker')

  const stop = program
    .command('stop [project]')
    .summary('stop a project; or the server, with --all everything')
    .description(
      'Stops the project that is named, by -p, or by the git remote of this folder. With --server (and no ' +
        'address), with --home, or where no project is meant, stops the server on this machine; its projects go on.',
    )
    .option('--this-server', 'the server on this machine, also written --server')
    .option('--all', 'the server on this machine with every project, the front door and PM2')
    .action(async (name: string | undefined, options: StopFlags) => {
      const { stopServerInstead } = await import('../stop-what.ts')
      if (await stopServerInstead(name, options, flags())) {
        const { stop } = await import('../stop.ts')
        return stop({ home: flags().home }, options.all ?? false)
      }
      return run(async (cli) => (await load()).change(cli, 'stop', name))
    })
  withExamples(stop, 'stop shop', 'stop --server', 'stop --all')

  registerMaintenance(program, run)

  const once = program
    .command('run <command...>')
    .summary("run a command once, with the live release's files and config vars")
    .description(
      "Runs a command beside the project's processes and ends with its exit code. What is piped in is its standard " +
        'input. Ctrl-C ends it on the server too.',
    )
    .option('-t, --timeout <seconds>', 'end it after so long', count)
    .option('--stdin', 'what is typed is its standard input, line by line; Ctrl-D ends it')
    .option('--no-stdin', 'leave standard input alone, for loops that read a file')
    .action((command: string[], options: RunFlags) =>
      run(async (cli) => (await import('../commands/run.ts')).runOnce(cli, command, options)),
    )
  withExamples(
    once,
    'run -- node migrate.js --up',
    'run -t 60 -- npm run seed',
    'run -- node import.js < data.json',
  )

  registerCron(program, run)

  program
    .command('metrics')
    .summary('CPU, memory and traffic')
    .option('--range <range>', '1h, 24h or 7d', '1h')
    .action((options: { readonly range: string }) =>
      run(async (cli) => (await import('../commands/metrics.ts')).metrics(cli, options.range)),
    )

  const traffic = program
    .command('traffic')
    .summary('requests, errors and answer times, by release')
    .action(() => run(async (cli) => (await import('../commands/traffic.ts')).traffic(cli)))
  withExamples(traffic, 'traffic', 'traffic -p shop --json')
}

/** Visitors are kept out, those on a list are let through. */
function registerMaintenance(program: Command, run: Run): void {
  const load = () => import('../commands/maintenance.ts')
  const maintenance = program
    .command('maintenance')
    .summary('keep visitors out with a page: show, on, off')
    .description(
      'In maintenance a project answers 503 with a page of its own, from the moment the command returns. Deploys go on. ' +
        'Its page is that of --page, else maintenance.html in the folder of the app, else a plain one.',
    )
  withExamples(
    maintenance,
    'maintenance on',
    'maintenance on --page soon.html --allow 203.0.113.7 --allow 2001:db8::/32 shop',
    'maintenance off',
  )
  maintenance
    .command('show', { isDefault: true })
    .summary('whether it is on, with which page and for whom not')
    .action(() => run(async (cli) => (await load()).show(cli)))
  maintenance
    .command('on [project]')
    .summary('keep visitors out; what is not named stays as it was set before')
    .option('--page <file>', 'the page, as HTML; - is standard input')
    .option('--no-page', 'the page of the app again, or a plain one')
    .option('--allow <address>', 'let an address or range through; once for each', eachOf)
    .option('--no-allow', 'let nobody through')
    .action((name: string | undefined, options: MaintenanceOptions) =>
      run(async (cli) => (await load()).on(cli, name, options)),
    )
  maintenance
    .command('off [project]')
    .summary('let visitors in again')
    .action((name: string | undefined) => run(async (cli) => (await load()).off(cli, name)))
}

/** An option that may be given more than once. */
function eachOf(value: string, before: readonly string[] | boolean | undefined): readonly string[] {
  return Array.isArray(before) ? [...before, value] : [value]
}

/** Scheduled jobs. */
function registerCron(program: Command, run: Run): void {
  const load = () => import('../commands/cron.ts')
  const cron = program.command('cron').summary('scheduled jobs: list, runs, run, logs, cancel')
  withExamples(cron, 'cron', 'cron run nightly-report', 'cron logs nightly-report')
  cron
    .command('list', { isDefault: true })
    .summary('the jobs, when they run next and how the last run ended')
    .action(() => run(async (cli) => (await load()).list(cli)))
  cron
    .command('runs [job]')
    .summary('the last runs, of all jobs or of one')
    .option('-n, --limit <count>', 'how many', count, 15)
    .action((job: string | undefined, options: { readonly limit: number }) =>
      run(async (cli) => (await load()).runs(cli, job, options.limit)),
    )
  cron
    .command('run <job>')
    .summary('run a job now; ends with its exit code')
    .option('--detach', 'do not wait for the end')
    .action((job: string, options: { readonly detach?: boolean }) =>
      run(async (cli) => (await load()).runNow(cli, job, options.detach ?? false)),
    )
  cron
    .command('logs [job-or-run]')
    .summary('the output of the last run, of the last run of a job, or of the run of this number')
    .option('-f, --follow', 'until it ends')
    .action((what: string | undefined, options: { readonly follow?: boolean }) =>
      run(async (cli) => (await load()).logs(cli, what, options.follow ?? false)),
    )
  cron
    .command('cancel <run>')
    .summary('end a run')
    .action((number: string) => run(async (cli) => (await load()).cancel(cli, number)))
}

export interface StopFlags {
  readonly thisServer?: boolean
  readonly all?: boolean
}
