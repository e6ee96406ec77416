import type { Command } from 'commander'
import type { Run } from '../run.ts'
import { count } from './deploys.ts'
import { withExamples } from './examples.ts'

/** Signing in, tokens, sessions, users. */
export function registerAccounts(program: Command, run: Run): void {
  program.commandsGroup('Account:')

  const login = program
    .command('login [url]')
    .summary('sign in to a server')
    .description(
      'Prints a link and a code; whoever opens the link in the panel and approves it signs this machine in.',
    )
    .option('--open', 'open the link in a browser')
    .option('--device', 'the link also without a terminal')
    .option('--username <name>', 'with a password instead, which is asked for')
    .option('--password-stdin', 'the password is the first line of standard input')
    .option('--token <token>', 'with a token instead; - reads it from standard input')
    .action((url: string | undefined, options: LoginFlags) =>
      run(async (cli) => (await import('../commands/login.ts')).login(cli, url, options)),
    )
  withExamples(login, 'login pilot.example.com', 'login --username ada', 'login --token - < token.txt')

  program
    .command('logout')
    .summary('sign out')
    .action(() => run(async (cli) => (await import('../commands/login.ts')).logout(cli)))

  program
    .command('whoami')
    .summary('who is signed in, and where')
    .action(() => run(async (cli) => (await import('../commands/whoami.ts')).whoami(cli)))

  registerTokens(program, run)

  const sessions = program.command('sessions').summary('where you are signed in: list, rm')
  const loadSessions = () => import('../commands/sessions.ts')
  sessions
    .command('list', { isDefault: true })
    .summary('list them')
    .action(() => run(async (cli) => (await loadSessions()).list(cli)))
  sessions
    .command('rm <id>')
    .summary('end one')
    .action((id: string) => run(async (cli) => (await loadSessions()).remove(cli, id)))

  registerUsers(program, run)

  program
    .command('audit')
    .summary('who did what, when, from where (admin)')
    .option('-n, --limit <count>', 'how many', count, 30)
    .option('--user <username>', 'only by this user')
    .action((options: { readonly limit: number; readonly user?: string }) =>
      run(async (cli) => (await import('../commands/audit.ts')).audit(cli, options)),
    )
}

export interface LoginFlags {
  readonly open?: boolean
  readonly device?: boolean
  readonly username?: string
  readonly passwordStdin?: boolean
  readonly token?: string
}

export interface TokenFlags {
  readonly scope: string
  readonly expires?: number
}

function registerTokens(program: Command, run: Run): void {
  const tokens = program.command('tokens').summary('tokens for scripts and git: list, create, rm')
  withExamples(tokens, 'tokens', 'tokens create ci --scope push -p shop', 'tokens rm 3')
  const load = () => import('../commands/tokens.ts')
  tokens
    .command('list', { isDefault: true })
    .summary('list yours')
    .action(() => run(async (cli) => (await load()).list(cli)))
  tokens
    .command('create <name>')
    .summary('make one; it is printed once. With -p it is good for that project alone')
    .option('--scope <scope>', 'push, read or admin', 'push')
    .option('--expires <days>', 'days after which it ends', count)
    .action((name: string, options: TokenFlags) =>
      run(async (cli) => (await load()).create(cli, name, options)),
    )
  tokens
    .command('rm <id>')
    .summary('end one')
    .action((id: string) => run(async (cli) => (await load()).remove(cli, id)))
}

function registerUsers(program: Command, run: Run): void {
  const users = program.command('users').summary('who may sign in (admin): list, add, rm')
  withExamples(users, 'users', 'users add ada --role member', 'users rm bob')
  const load = () => import('../commands/users.ts')
  users
    .command('list', { isDefault: true })
    .summary('list them')
    .action(() => run(async (cli) => (await load()).list(cli)))
  users
    .command('add <username>')
    .summary('add somebody; the password is asked for')
    .option('--role <role>', 'member or admin', 'member')
    .option('--password-stdin', 'the password is the first line of standard input')
    .action((username: string, options: { readonly role: string; readonly passwordStdin?: boolean }) =>
      run(async (cli) => (await load()).add(cli, username, options)),
    )
  users
    .command('rm <username>')
    .summary('remove somebody')
    .action((username: string) => run(async (cli) => (await load()).remove(cli, username)))
}
