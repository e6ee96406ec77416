import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import type { Pilot } from './pilot.ts'
import { root } from './root.ts'

/** A page, and what went wrong on it so far. */
export interface WatchedPage {
  readonly page: Page
  /** Console errors, uncaught errors, failed requests, answers from 400 on and violated policies, oldest first. */
  readonly complaints: string[]
}

export interface VisitorOptions {
  /** Signs in through the form as this user; default: the pilot's admin. `null`: nobody. */
  readonly as?: { readonly username: string; readonly password: string } | null
  readonly javaScript?: boolean
  readonly width?: number
}

/** Somebody with a browser window of their own: cookies are not shared with other visitors. */
export interface Visitor extends WatchedPage {
  readonly context: BrowserContext
  /** Opens an address of the panel, waits for the page and its files, and says the status. */
  open(path: string): Promise<number>
  /** Another tab of the same person. */
  tab(): Promise<WatchedPage>
}

export interface TestBrowser {
  visit(pilot: Pilot, options?: VisitorOptions): Promise<Visitor>
  close(): Promise<void>
}

/** Debian's Chromium, on a profile below the temporary folder that goes with it. */
export async function startBrowser(): Promise<TestBrowser> {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // its sandbox needs a user other than root; /dev/shm is small in containers
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage'],
  })
  return {
    visit: (pilot, options = {}) => visit(browser, pilot, options),
    close: () => browser.close(),
  }
}

async function visit(browser: Browser, pilot: Pilot, options: VisitorOptions): Promise<Visitor> {
  const context = await browser.newContext({
    baseURL: pilot.url,
    javaScriptEnabled: options.javaScript ?? true,
    viewport: { width: options.width ?? 1280, height: 800 },
    reducedMotion: 'reduce',
  })
  // a guard against a hang: a deploy on a busy machine takes its time
  context.setDefaultTimeout(30_000)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const watched = await watchedPage(context)
  const user = options.as === undefined ? { username: pilot.user, password: pilot.password } : options.as
  const open = async (path: string) => {
    const go = () => watched.page.goto(path, { waitUntil: 'load' })
    // a page that is just going somewhere itself takes the way from the first one
    const response = await go().catch((error: unknown) => {
      if (!String(error).includes('ERR_ABORTED')) throw error
      return go()
    })
    return response?.status() ?? 0
  }
  if (user) {
    await signIn(watched.page, user)
    watched.complaints.length = 0
  }
  return { ...watched, context, open, tab: () => watchedPage(context) }
}

/** Through the form, as a person would. */
export async function signIn(
  page: Page,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<void> {
  await page.goto('/login')
  await page.getByLabel('User name').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL((url) => url.pathname !== '/login')
}

async function watchedPage(context: BrowserContext): Promise<WatchedPage> {
  const page = await context.newPage()
  const complaints: string[] = []
  const here = () => new URL(page.url() === 'about:blank' ? 'about:blank' : page.url()).pathname
  await page.addInitScript(`
    addEventListener('securitypolicyviolation', (event) =>
      console.error('policy violated: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))`)
  page.on('console', (message) => {
    // "Failed to load resource" is said better by the answer itself, below
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(`${here()}: console: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`${here()}: uncaught: ${error.message}`))
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? ''
    // what a navigation or a closed stream breaks off is not a fault
    if (why !== 'net::ERR_ABORTED') complaints.push(`${here()}: ${request.method()} ${request.url()}: ${why}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400)
      complaints.push(`${here()}: ${response.request().method()} ${response.url()}: ${response.status()}`)
  })
  return { page, complaints }
}

/** Keeps a picture of the whole page: for people to look at, and for CI to keep. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.CI_OUTPUT_DIR ?? join(root, 'test-output')
  const directory = join(folder, 'screens')
  await mkdir(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true, animations: 'disabled' })
}
