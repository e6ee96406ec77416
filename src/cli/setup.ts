import { existsSync, writeFileSync } from 'node:fs'
import { type Flags, readHome } from '../config.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { createPasswords } from '../engine/passwords.ts'
import { createPaths } from '../engine/paths.ts'
import { openDatabase } from '../engine/store/database.ts'
import { createStore } from '../engine/store/store.ts'
import { createAccountCases } from '../engine/use-cases/accounts.ts'
import { findServer } from './running-server.ts'

/** `nodepilot setup --reset`: a new one-time link; the older one ends, in the server's file too. */
export async function setup(flags: Flags): Promise<void> {
  const paths = createPaths(readHome(process.env, flags))
  const server = await findServer(paths)
  if (!server)
    throw new Refusal('unavailable', 'no server is running on this home', { hint: 'nodepilot serve' })
  const db = openDatabase(paths.database)
  const clock = () => Date.now()
  const store = createStore(db, clock)
  const accounts = createAccountCases({ store, passwords: createPasswords(), clock, audit: () => {} })
  const code = accounts.createSetupCode()
  if (code === null) throw new Refusal('conflict', 'NodePilot has been set up already', { hint: 'sign in' })
  const link = `${server.url}/setup#${code}\n`
  // it was made with 0600 when the server started without a terminal
  if (existsSync(paths.setupFile)) writeFileSync(paths.setupFile, link, { mode: 0o600 })
  process.stdout.write(link)
  process.exit(0)
}
