import type { CronJob } from '../../engine/domain/cron.ts'
import { fromCronLines, toCronLines } from '../../engine/domain/cron-lines.ts'
import type { ProjectSettings, SettingName } from '../../engine/domain/settings.ts'
import type { FormFields } from './form.ts'

/** How the panel's form shows the settings of `engine/domain/settings.ts`: in cards, in the order of this table. */

export const settingGroups = [
  'Resources',
  'Build',
  'Runtime',
  'Front door',
  'Previews',
  'Scheduled jobs',
] as const

export interface SettingField {
  readonly group: (typeof settingGroups)[number]
  readonly label: string
  readonly hint?: string
  /** `check`: yes or no; `long`: several lines. */
  readonly type: 'text' | 'number' | 'check' | 'choice' | 'long'
  /** Value and words, for a choice. */
  readonly choices?: readonly (readonly [value: string, words: string])[]
  readonly attributes?: Readonly<Record<string, string | number | boolean>>
  /** Between what the form holds and the setting, where text, number and yes or no do not do it. */
  readonly show?: (value: unknown) => string
  readonly read?: (text: string) => unknown
}

const line = { maxlength: 1000, autocomplete: 'off', spellcheck: 'false' } as const

/** Yes, no, or whatever the app says. */
const perhaps = {
  type: 'choice',
  choices: [
    ['', 'as nodepilot.json says'],
    ['yes', 'yes'],
    ['no', 'no'],
  ],
  show: (value) => (value === null ? '' : value ? 'yes' : 'no'),
  read: (text) => (text === '' ? null : text === 'yes'),
} as const satisfies Partial<SettingField>

/** Milliseconds, which people are asked for as seconds. */
function seconds(min: number, max: number) {
  return {
    type: 'number',
    attributes: { min, max, step: 'any' },
    show: (value) => (value === null ? '' : String(Number(value) / 1000)),
    read: (text) => (text === '' ? null : Math.round(Number(text) * 1000)),
  } as const satisfies Partial<SettingField>
}

export const settingFields: Readonly<Record<SettingName, SettingField>> = {
  rootDir: {
    group: 'Build',
    label: 'Root folder',
    hint: 'Where the app lies in its repository, as apps/web. Empty: nodepilot.json, then the top.',
    type: 'text',
    attributes: { ...line, maxlength: 300 },
  },
  nodeVersion: {
    group: 'Build',
    label: 'Node version',
    hint: 'As 22 or >=20 <23. Empty: the app says it, else the one of the server.',
    type: 'text',
    attributes: { ...line, maxlength: 100 },
  },
  buildCommand: {
    group: 'Build',
    label: 'Build command',
    hint: 'Empty: nodepilot.json, then the build script of package.json.',
    type: 'text',
    attributes: line,
  },
  releaseCommand: {
    group: 'Build',
    label: 'Release command',
    hint: 'Runs once before a release starts. Empty: nodepilot.json, then the Procfile.',
    type: 'text',
    attributes: line,
  },
  buildTimeoutMs: {
    group: 'Build',
    label: 'Time limit of a build command in seconds',
    hint: 'Empty: as the server is set.',
    ...seconds(1, 86_400),
  },
  buildMemoryMb: {
    group: 'Build',
    label: 'Memory limit of a build command in MB',
    hint: 'Of the command and everything it starts. Empty: as the server is set.',
    type: 'number',
    attributes: { min: 16, max: 10_000_000 },
  },
  staticDir: {
    group: 'Runtime',
    label: 'Static files',
    hint: 'A folder that is served as it is, as dist, without a process. Empty: nodepilot.json decides.',
    type: 'text',
    attributes: { ...line, maxlength: 300 },
  },
  spa: {
    group: 'Runtime',
    label: 'Static files of a single page',
    hint: 'Pages that are not there are answered with index.html.',
    ...perhaps,
  },
  graceMs: {
    group: 'Runtime',
    label: 'Grace period in seconds',
    hint: 'From SIGTERM to SIGKILL. Empty: nodepilot.json, then 10 s.',
    ...seconds(0, 600),
  },
  memoryAction: {
    group: 'Resources',
    label: 'Over the memory limit',
    type: 'choice',
    choices: [
      ['restart', 'restart the process'],
      ['fail', 'stop it and say so'],
    ],
  },
  cluster: {
    group: 'Runtime',
    label: 'Cluster mode',
    hint: 'The web processes share one port, by the cluster mode of PM2. Needs a start command of node and a file.',
    type: 'check',
  },
  overlap: {
    group: 'Runtime',
    label: 'Two versions may run at once',
    hint: 'Off, for example for an app with an SQLite file: requests wait while one version takes over.',
    type: 'check',
  },
  webSocketGraceMs: {
    group: 'Front door',
    label: 'WebSockets after a switch (seconds)',
    hint: 'So long those of the old version go on; then they are closed with 1012, and clients come again.',
    type: 'number',
    attributes: { min: 0, max: 3600, step: 'any' },
    show: (value) => String(Number(value) / 1000),
    read: (text) => Math.round(Number(text) * 1000),
  },
  sticky: {
    group: 'Front door',
    label: 'Sticky sessions',
    hint: 'With several web processes, a cookie brings each visitor back to the same one.',
    type: 'check',
  },
  sleepAfterMinutes: {
    group: 'Front door',
    label: 'Sleep after minutes without a request',
    hint: 'All its processes end then; the next request starts them, and waits for that. Empty: they always run.',
    type: 'number',
    attributes: { min: 1, max: 43_200 },
  },
  accessLog: {
    group: 'Front door',
    label: 'Access log',
    hint: 'A line for each request, in the logs as process access. Without query strings.',
    type: 'check',
  },
  maintenance: {
    group: 'Front door',
    label: 'Maintenance',
    hint: 'At once: visitors get the page below and 503. Deploys go on, and can be looked at from the addresses below.',
    type: 'check',
  },
  maintenancePage: {
    group: 'Front door',
    label: 'Maintenance page',
    hint: 'HTML, 64 KiB at most. Empty: maintenance.html in the folder of the app, else a plain page.',
    type: 'long',
    attributes: { maxlength: 65_536, autocomplete: 'off', spellcheck: 'false' },
    // forms send lines as CR LF
    read: (text) => text.replaceAll('\r\n', '\n') || null,
  },
  maintenanceAllow: {
    group: 'Front door',
    label: 'Let through in maintenance',
    hint: 'Addresses and ranges, one a line: 203.0.113.7, 203.0.113.0/24, 2001:db8::/32.',
    type: 'long',
    attributes: { maxlength: 8000, autocomplete: 'off', spellcheck: 'false' },
    show: (value) => (value as readonly string[]).join('\n'),
    read: (text) => text.split(/[\s,]+/).filter((entry) => entry !== ''),
  },
  regressionGuard: {
    group: 'Front door',
    label: 'Regression guard',
    hint: 'A new release with clearly more errors, or much slower, is switched back within its first minute; the version before is kept running for that time.',
    type: 'check',
  },
  previews: {
    group: 'Previews',
    label: 'Deploy other branches as previews',
    hint: 'A push to another branch answers at an address of its own, with the config vars of this project.',
    type: 'check',
  },
  previewIdleDays: {
    group: 'Previews',
    label: 'Days until an unused preview is removed',
    type: 'number',
    attributes: { min: 1, max: 365 },
  },
  previewLimit: {
    group: 'Previews',
    label: 'Previews at once',
    type: 'number',
    attributes: { min: 1, max: 50 },
  },
  previewMemoryMb: {
    group: 'Previews',
    label: 'Memory limit of a preview in MB',
    hint: 'Empty: as of this project.',
    type: 'number',
    attributes: { min: 16, max: 1_000_000 },
  },
  previewWorkers: {
    group: 'Previews',
    label: 'Previews run workers too',
    hint: 'Off: only web. Scheduled jobs never run in a preview.',
    type: 'check',
  },
  cron: {
    group: 'Scheduled jobs',
    label: 'Jobs',
    hint: 'One a line: */5 * * * * node tick.js. Before it, where wanted: name:, TZ=Europe/Berlin, TIMEOUT=30m. Empty: those of nodepilot.json.',
    type: 'long',
    attributes: { maxlength: 60_000, autocomplete: 'off', spellcheck: 'false' },
    show: (value) => (value === null ? '' : toCronLines(value as readonly CronJob[])),
    read: (text) => (text === '' ? null : fromCronLines(text)),
  },
}

/** Undefined for a field that is no setting. */
export function labelOf(name: string): string | undefined {
  return Object.hasOwn(settingFields, name) ? settingFields[name as SettingName].label : undefined
}

/** The settings as the fields of the form. */
export function fieldsOf(settings: ProjectSettings): FormFields {
  const shown = Object.entries(settingFields).map(([name, field]) => {
    const value = settings[name as SettingName]
    if (field.show) return [name, field.show(value)]
    if (field.type === 'check') return [name, value ? 'yes' : '']
    return [name, value === null ? '' : String(value)]
  })
  return Object.fromEntries(shown) as FormFields
}

/** Those of the fields that are settings, as the API would be sent them: empty means none. */
export function settingsOf(input: FormFields): Record<string, unknown> {
  const given = Object.entries(settingFields).flatMap(([name, field]) => {
    const text = input[name]
    return text === undefined ? [] : [[name, readField(field, text.trim())] as const]
  })
  return Object.fromEntries(given)
}

function readField(field: SettingField, text: string): unknown {
  if (field.read) return field.read(text)
  if (field.type === 'check') return text === 'yes'
  if (text === '') return null
  return field.type === 'number' ? Number(text) : text
}

/** The fields of one card, in order. */
export function fieldsIn(group: string): (SettingField & { readonly name: string })[] {
  return Object.entries(settingFields).flatMap(([name, field]) =>
    field.group === group ? [{ name, ...field }] : [],
  )
}
