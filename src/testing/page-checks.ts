import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { screenshot, type WatchedPage } from './browser.ts'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** WCAG 2.2 A and AA, and axe's best practices. */
const axeTags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice']

const colourRules = ['color-contrast', 'link-in-text-block']

const looks = [
  { width: 1280, scheme: 'light' },
  { width: 1280, scheme: 'dark' },
  { width: 320, scheme: 'dark' },
  { width: 320, scheme: 'light' },
] as const

/**
 * What must hold of the page that is open, wide and narrow, light and dark: axe finds nothing, nothing is wider than
 * the window, the focus can be seen, and nothing has gone wrong so far. Returns every complaint; keeps a picture of
 * each look under this name.
 */
export async function pageFaults({ page, complaints }: WatchedPage, name: string): Promise<string[]> {
  const faults: string[] = []
  for (const { width, scheme } of looks) {
    await page.setViewportSize({ width, height: 800 })
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    await settled(page)
    const look = `${name} at ${width} px, ${scheme}`
    faults.push(...(await overflow(page)).map((fault) => `${look}: ${fault}`))
    faults.push(
      ...(await lastingFaults(page, scheme === 'light' ? 'all' : 'colours')).map(
        (fault) => `${look}: ${fault}`,
      ),
    )
    await screenshot(page, `${name}-${scheme}-${width}`)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  faults.push(...(await invisibleFocus(page)).map((fault) => `${name}: ${fault}`))
  return [...faults, ...complaints]
}

interface AxeViolation {
  readonly id: string
  readonly help: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
}

/** Colours that change gently have changed. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(`new Promise((done) => requestAnimationFrame(() => setTimeout(done))).then(() => Promise.all(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished.catch(() => {}))))`)
}

/** A page that refreshes itself may have been caught in the middle of it: what is wrong stays wrong. */
async function lastingFaults(page: Page, rules: 'all' | 'colours'): Promise<string[]> {
  if ((await axeFaults(page, rules)).length === 0) return []
  await settled(page)
  return axeFaults(page, rules)
}

/** One line a violated rule, with the first elements it is violated by. Another scheme changes `colours` alone. */
export async function axeFaults(page: Page, rules: 'all' | 'colours' = 'all'): Promise<string[]> {
  // the debugger's own way in: the page's policy, which would refuse the script, stays as it is
  await page.evaluate(`if (!window.axe) { ${axeSource} }`)
  const violations = await page.evaluate<readonly AxeViolation[]>(
    `axe.run({ runOnly: ${JSON.stringify(rules === 'all' ? axeTags : { type: 'rule', values: colourRules })}, resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  )
  return violations.map(({ id, help, nodes }) => {
    const where = nodes.slice(0, 3).map(({ html, failureSummary }) => {
      return `\n    ${html.slice(0, 160)}\n      ${(failureSummary ?? '').replaceAll('\n', ' ').slice(0, 240)}`
    })
    return `${id}: ${help} (${nodes.length})${where.join('')}`
  })
}

/** axe does not look for content that sticks out of the window: WCAG 1.4.10 wants none at 320 px. */
export async function overflow(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const root = document.documentElement
    if (root.scrollWidth <= root.clientWidth) return []
    const wide = [...document.body.querySelectorAll('*')].filter((element) => {
      if (element.getBoundingClientRect().right <= root.clientWidth + 1) return false
      for (let above = element.parentElement; above; above = above.parentElement)
        if (getComputedStyle(above).overflowX !== 'visible') return false
      return true
    })
    return ['the page is ' + root.scrollWidth + ' px wide: ' + wide.slice(-2).map((one) => one.outerHTML.slice(0, 120)).join(' | ')]
  })()`)
}

const mostStops = 60

/** Goes through the page with the Tab key: every stop must show that it has the focus, and lie in sight. */
export async function invisibleFocus(page: Page): Promise<string[]> {
  const faults: string[] = []
  await page.evaluate('document.activeElement?.blur(); window.scrollTo(0, 0)')
  for (let stop = 0; stop < mostStops; stop++) {
    await page.keyboard.press('Tab')
    // what slides into sight for the focus (the skip link) has arrived
    await settled(page)
    const seen = await page.evaluate<{ end: boolean; fault: string | null }>(`(async () => {
      // scrolling to what has the focus is part of the next frame
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
      const it = document.activeElement
      if (!it || it === document.body || it.dataset.seen === 'yes') return { end: true, fault: null }
      it.dataset.seen = 'yes'
      const style = getComputedStyle(it), box = it.getBoundingClientRect()
      const marked = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none'
      const inSight = box.bottom > 0 && box.top < innerHeight && box.width > 0
      const text = it.outerHTML.slice(0, 120)
      return { end: false, fault: marked && inSight ? null : (marked ? 'focus out of sight: ' : 'focus cannot be seen: ') + text }
    })()`)
    if (seen.end) break
    if (seen.fault) faults.push(seen.fault)
  }
  await page.evaluate(
    `document.querySelectorAll('[data-seen]').forEach((one) => one.removeAttribute('data-seen'))`,
  )
  return faults
}
