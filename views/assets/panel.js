// The panel's own script. Every page works without it: it only makes links and forms more pleasant.
//   data-copy="#id"      copies the text of that element
//   data-dialog          a link to a page that asks: its [data-dialog-content] opens as a dialog instead
//   data-filter="#id"    a field that hides the rows ([data-name]) of that element which do not have its text
//   data-ago, data-since times that tick
//   data-drop            a file field that takes what is dropped on it
const say = (words) => {
  const line = document.getElementById('say')
  line.textContent = ''
  requestAnimationFrame(() => {
    line.textContent = words
  })
}

const stored = {
  get: (key) => {
    try {
      return localStorage.getItem(key)
    } catch {
      return null
    }
  },
  set: (key, value) => {
    try {
      localStorage.setItem(key, value)
    } catch {}
  },
}

document.documentElement.classList.add('script')

// ---- copying
document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]')
  if (!button) return
  event.preventDefault()
  const from = document.querySelector(button.dataset.copy)
  const text = (from.value ?? from.textContent).replace(/\n+$/, '')
  const done = await copyText(text, from)
  const label = button.querySelector('[data-label]')
  const before = label?.textContent
  if (label && !button.dataset.copied) {
    button.dataset.copied = done ? 'yes' : 'no'
    label.textContent = done ? 'Copied' : 'Press Ctrl-C'
    setTimeout(() => {
      label.textContent = before
      delete button.dataset.copied
    }, 1600)
  }
  say(done ? 'Copied' : 'Selected: press Ctrl-C to copy')
})

// without https there is no clipboard: the text is selected, and the old command tried
async function copyText(text, from) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    if (from.select) from.select()
    else getSelection().selectAllChildren(from)
    try {
      return document.execCommand('copy')
    } catch {
      return false
    }
  }
}

// ---- dialogs
document.addEventListener('click', async (event) => {
  const link = event.target.closest('a[data-dialog]')
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
  event.preventDefault()
  try {
    const answer = await fetch(link.href, { headers: { accept: 'text/html' } })
    const found = new DOMParser()
      .parseFromString(await answer.text(), 'text/html')
      .querySelector('[data-dialog-content]')
    if (!answer.ok || answer.redirected || !found) throw new Error('not a question')
    openDialog(document.adoptNode(found), link)
  } catch {
    location.href = link.href
  }
})

function openDialog(content, opener) {
  const dialog = document.createElement('dialog')
  const title = content.querySelector('h1, h2')
  if (title) {
    title.id = 'dialog-title'
    dialog.setAttribute('aria-labelledby', title.id)
  }
  dialog.append(content)
  dialog.addEventListener('click', (event) => {
    const outside = event.target === dialog && !inside(event, dialog.getBoundingClientRect())
    if (outside || event.target.closest('[data-close]')) {
      event.preventDefault()
      dialog.close()
    }
  })
  dialog.addEventListener('close', () => {
    dialog.remove()
    opener?.focus()
  })
  document.body.append(dialog)
  htmx.process(dialog)
  dialog.showModal()
  ;(dialog.querySelector('[autofocus]') ?? dialog.querySelector('input:not([type=hidden]), button'))?.focus()
}

function inside({ clientX: x, clientY: y }, box) {
  return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom
}

// ---- forms: one click is enough
document.addEventListener('submit', (event) => {
  const form = event.target
  if (event.defaultPrevented || form.method === 'dialog' || form.matches('[data-theme-switch], [data-again]'))
    return
  if (form.dataset.sent !== undefined) {
    event.preventDefault()
    return
  }
  form.dataset.sent = ''
  const button = event.submitter
  requestAnimationFrame(() => button?.setAttribute('aria-busy', 'true'))
})
// a page that comes back from the browser's memory can be sent again
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('[data-sent]')) delete form.dataset.sent
  for (const button of document.querySelectorAll('[aria-busy]')) button.removeAttribute('aria-busy')
})

// ---- theme
document.addEventListener('submit', (event) => {
  const form = event.target
  if (!form.matches('[data-theme-switch]')) return
  event.preventDefault()
  setTheme(event.submitter.value)
})

function setTheme(theme) {
  const secure = location.protocol === 'https:' ? '; Secure' : ''
  // biome-ignore lint/suspicious/noDocumentCookie: the cookie store needs https, panels on a local network have none
  document.cookie = `nodepilot_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  for (const button of document.querySelectorAll('[data-theme-switch] button')) {
    button.setAttribute('aria-pressed', String(button.value === theme))
  }
  document.dispatchEvent(new CustomEvent('nodepilot:theme'))
  say(`Theme: ${theme === 'auto' ? 'as the system has it' : theme}`)
}

// ---- the menu closes like one
document.addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll('details[data-menu][open]')) {
    if (!menu.contains(event.target)) menu.open = false
  }
})

// ---- times that tick
const ago = (passed) => {
  const seconds = Math.round(passed / 1000)
  if (seconds < 10) return 'just now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}
const lasting = (passed) => {
  const seconds = passed / 1000
  if (seconds < 59.95) return `${Math.max(seconds, 0).toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
}
function put(elt, words) {
  if (elt.textContent !== words) elt.textContent = words
}
setInterval(() => {
  if (document.hidden) return
  for (const elt of document.querySelectorAll('time[data-since]'))
    put(elt, lasting(Date.now() - Date.parse(elt.dateTime)))
}, 250)
setInterval(() => {
  if (document.hidden) return
  for (const elt of document.querySelectorAll('time[data-ago]')) {
    const passed = Date.now() - Date.parse(elt.dateTime)
    if (passed > -60_000) put(elt, ago(passed))
  }
}, 5_000)

// ---- filtering a table
function filter(field) {
  const wanted = field.value.trim().toLowerCase()
  let shown = 0
  for (const row of document.querySelectorAll(`${field.dataset.filter} [data-name]`)) {
    row.hidden = !row.dataset.name.includes(wanted)
    if (!row.hidden) shown++
  }
  const none = document.querySelector('[data-filter-none]')
  if (none) none.hidden = shown > 0 || wanted === ''
  return shown
}
document.addEventListener('input', (event) => {
  if (event.target.matches('[data-filter]')) filter(event.target)
})
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.matches('[data-filter]')) return
  event.preventDefault()
  const first = document.querySelector(`${event.target.dataset.filter} [data-name]:not([hidden]) a`)
  if (first && event.target.value.trim() !== '') first.click()
})
document.addEventListener('htmx:after:swap', () => {
  for (const field of document.querySelectorAll('[data-filter]')) filter(field)
})

// ---- dropping a file
for (const type of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(type, (event) => {
    const zone = event.target.closest?.('[data-drop]')
    if (!zone) return
    event.preventDefault()
    zone.classList.toggle('over', type === 'dragover')
    const field = zone.querySelector('input[type=file]')
    if (type !== 'drop' || !event.dataTransfer.files.length) return
    field.files = event.dataTransfer.files
    field.dispatchEvent(new Event('change', { bubbles: true }))
  })
}
document.addEventListener('change', (event) => {
  const zone = event.target.closest('[data-drop]')
  const name = zone?.closest('form').querySelector('[data-name-from-file]')
  const file = event.target.files?.[0]
  if (!name || !file || name.value !== '') return
  name.value = file.name
    .toLowerCase()
    .replace(/\.(zip|tgz|tar\.gz)$/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
})

// ---- what was just done is said once: a reload does not say it again
if (document.querySelector('[data-done]')) {
  const clean = new URL(location.href)
  clean.searchParams.delete('done')
  history.replaceState(history.state, '', clean)
}

// ---- shortcuts
const shortcuts = [
  ['/', 'Filter or search', () => document.querySelector('[type=search]')?.focus()],
  ['g p', 'Projects', () => go('/')],
  ['g d', 'Deploys', () => go('/deploys')],
  ['g l', 'Logs of this project', () => go(document.querySelector('.tabs a[href$="/logs"]')?.href)],
  ['?', 'This list', () => showKeys()],
]
const keysOff = 'nodepilot.shortcuts.off'
let begun = ''

function go(address) {
  if (address) location.href = address
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  if (event.key === 'Escape') {
    for (const menu of document.querySelectorAll('details[data-menu][open]')) {
      menu.open = false
      menu.querySelector('summary').focus()
    }
  }
  if (stored.get(keysOff) || document.querySelector('dialog[open]')) return
  if (event.target.closest('input, textarea, select, [contenteditable]')) return
  const typed = begun ? `${begun} ${event.key}` : event.key
  const found = shortcuts.find(([keys]) => keys === typed)
  begun = !found && event.key === 'g' ? 'g' : ''
  if (begun) setTimeout(() => (begun = ''), 1500)
  if (!found) return
  event.preventDefault()
  found[2]()
})

document.addEventListener('click', (event) => {
  if (!event.target.closest('[data-keys]')) return
  event.preventDefault()
  for (const menu of document.querySelectorAll('details[data-menu][open]')) menu.open = false
  showKeys()
})

// narrow: the row of tabs scrolls, and begins where one is
for (const tab of document.querySelectorAll('.tabs [aria-current]')) {
  const row = tab.closest('.tabs')
  row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2
}

function showKeys() {
  const content = make('div', { className: 'stack' })
  const list = make('dl', { className: 'keys' })
  for (const [keys, words] of shortcuts) {
    const term = make('dt')
    term.append(...keys.split(' ').map((key) => make('kbd', { textContent: key })))
    list.append(term, make('dd', { textContent: words }))
  }
  const box = make('input', { type: 'checkbox', checked: !stored.get(keysOff) })
  box.addEventListener('change', () => stored.set(keysOff, box.checked ? '' : 'yes'))
  const label = make('label', { className: 'check' })
  label.append(box, ' Keyboard shortcuts are on')
  const close = make('button', { className: 'btn', textContent: 'Close', type: 'button' })
  close.dataset.close = ''
  content.append(make('h2', { textContent: 'Keyboard shortcuts' }), list, label, close)
  openDialog(content, document.activeElement)
}

function make(name, properties = {}) {
  return Object.assign(document.createElement(name), properties)
}
