// Follows a log in the page. Without script the page shows the newest lines and a link that loads it again.
//   data-log="<address>"   around everything: where the events come from, in batches (`batch=1`)
//   data-after="<place>"   where the lines that are in the page already end
//   data-ended             there is nothing to come
// and inside of it:
//   data-log-rows          the pane; each row is a div, `data-raw` holds its text where that has escapes
//   data-log-status        polite words about the connection
//   data-log-follow        button: stay at the end (aria-pressed)
//   data-log-copy          button: what is selected in the pane, or all of it
//   data-log-find, data-log-count, data-log-next, data-log-previous   searching
//   data-log-filter        form: its `q` hides rows at once; whatever changes goes to the server as well
;(() => {
  const mostRows = 5_000
  const escapes =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes of terminals begin with control characters
    /\x1b\[([\d;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]/g
  const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']

  // ---- colours: classes, never markup
  const nearest = (r, g, b) => {
    const most = Math.max(r, g, b)
    const bit = (value) => (most > 0 && value > most * 0.6 ? 1 : 0)
    if (most < 48) return 'black'
    return (most > 170 ? 'bright-' : '') + names[bit(r) + 2 * bit(g) + 4 * bit(b)]
  }
  const ofPalette = (n) => {
    if (n < 16) return (n > 7 ? 'bright-' : '') + names[n % 8]
    if (n > 231) return nearest(8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10)
    const level = (value) => (value ? 55 + value * 40 : 0)
    return nearest(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6))
  }
  const apply = (state, codes) => {
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]
      if (code === 0) for (const key of Object.keys(state)) delete state[key]
      else if (code === 1) state.bold = 'bold'
      else if (code === 2) state.dim = 'dim'
      else if (code === 4) state.line = 'underline'
      else if (code === 22) {
        delete state.bold
        delete state.dim
      } else if (code === 24) delete state.line
      else if (code === 39) delete state.fg
      else if (code === 49) delete state.bg
      else if (code === 38 || code === 48) {
        const rgb = codes[i + 1] === 2
        const name = rgb
          ? nearest(codes[i + 2] || 0, codes[i + 3] || 0, codes[i + 4] || 0)
          : ofPalette((codes[i + 2] || 0) & 255)
        state[code === 38 ? 'fg' : 'bg'] = (code === 38 ? 'fg-' : 'bg-') + name
        i += rgb ? 4 : 2
      } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97))
        state.fg = `fg-${ofPalette((code % 10) + (code >= 90 ? 8 : 0))}`
      else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107))
        state.bg = `bg-${ofPalette((code % 10) + (code >= 100 ? 8 : 0))}`
    }
  }
  const paint = (row, text) => {
    const state = {}
    let from = 0
    const put = (piece) => {
      const classes = Object.values(state)
      if (!piece) return
      if (classes.length === 0) return row.append(piece)
      const span = document.createElement('span')
      span.className = classes.map((name) => `a-${name}`).join(' ')
      span.textContent = piece
      row.append(span)
    }
    for (const match of text.matchAll(escapes)) {
      put(text.slice(from, match.index))
      from = match.index + match[0].length
      if (match[1] !== undefined) apply(state, (match[1] || '0').split(/[;:]/).map(Number))
    }
    put(text.slice(from))
  }

  const start = (root) => {
    const part = (name) => root.querySelector(`[data-log-${name}]`)
    const [pane, status, followButton, find, form] = ['rows', 'status', 'follow', 'find', 'filter'].map(part)
    let address = new URL(root.dataset.log, location.href)
    let after = root.dataset.after ?? ''
    let source = null
    let over = root.dataset.ended !== undefined
    let failures = 0
    let timer = 0
    let queue = []
    let frame = 0
    let following = !location.hash.startsWith('#L')
    const tell = (words) => {
      if (status.textContent !== words) status.textContent = words
    }

    // ---- rows
    const rowOf = (entry) => {
      const row = document.createElement('div')
      if (entry.gap) {
        row.className = 'gap'
        row.textContent = `… ${entry.gap} ${entry.gap === 1 ? 'line was' : 'lines were'} skipped …`
        return row
      }
      if (entry.number) row.id = `L${entry.number}`
      if (entry.stream === 'err') row.className = 'err'
      if (entry.time) {
        const head = document.createElement('span')
        head.className = 'when'
        head.textContent = `${entry.time.slice(11, 19)} ${entry.instance} `
        head.title = entry.time
        row.append(head)
      }
      paint(row, entry.line)
      return row
    }
    const wanted = () => (form?.elements.q?.value ?? '').toLowerCase()
    const flush = () => {
      frame = 0
      const rows = queue.slice(-mostRows).map(rowOf)
      queue = []
      const text = wanted()
      if (text) for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text)
      pane.querySelector('[data-log-empty]')?.remove()
      pane.append(...rows)
      for (let extra = pane.childElementCount - mostRows; extra > 0; extra--) pane.firstElementChild.remove()
      if (following) pane.scrollTop = pane.scrollHeight
      if (find?.value) count()
    }
    const add = (entries) => {
      queue.push(...entries)
      if (queue.length > 2 * mostRows) queue = queue.slice(-mostRows)
      if (frame === 0) frame = requestAnimationFrame(flush)
    }

    // ---- the connection
    const close = () => {
      clearTimeout(timer)
      source?.close()
      source = null
    }
    const open = () => {
      close()
      if (over || document.hidden) return
      const url = new URL(address)
      if (after) url.searchParams.set('after', after)
      source = new EventSource(url)
      source.onopen = () => {
        failures = 0
        tell('live')
      }
      source.onmessage = (event) => {
        const numbered = Number(event.lastEventId)
        const entries = JSON.parse(event.data)
        // lines of a deployment are bare; the id is the number of the last one
        add(
          entries.map((entry, n) =>
            typeof entry === 'string' ? { line: entry, number: numbered - entries.length + n + 1 } : entry,
          ),
        )
        after = event.lastEventId
      }
      source.addEventListener('end', (event) => {
        over = true
        close()
        tell(`ended: ${event.data}`)
      })
      source.onerror = () => {
        close()
        again(Math.min(2 ** failures++, 30))
      }
    }
    const again = (seconds) => {
      tell(seconds > 0 ? `reconnecting in ${seconds} s` : 'reconnecting')
      timer = seconds > 0 ? setTimeout(again, 1_000, seconds - 1) : setTimeout(open)
    }
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) close()
      else if (!source) open()
    })
    addEventListener('pagehide', close)

    // ---- staying at the end
    const follow = (on) => {
      following = on
      followButton?.setAttribute('aria-pressed', String(on))
      if (on) pane.scrollTop = pane.scrollHeight
    }
    followButton?.addEventListener('click', () => follow(!following))
    pane.addEventListener(
      'scroll',
      () => {
        const atEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 24
        if (atEnd !== following) follow(atEnd)
      },
      { passive: true },
    )

    // ---- filter: at once here, and then by the server, which knows the older lines
    const restart = () => {
      const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''))
      const url = new URL(root.dataset.log, location.href)
      for (const name of ['q', 'type', 'stream', 'instance', 'lines']) url.searchParams.delete(name)
      for (const [name, value] of fields) url.searchParams.set(name, value)
      url.searchParams.set('lines', '200')
      history.replaceState(null, '', `${location.pathname}${fields.size > 0 ? `?${fields}` : ''}`)
      address = url
      after = ''
      queue = []
      pane.replaceChildren()
      open()
    }
    form?.addEventListener('submit', (event) => {
      event.preventDefault()
      restart()
    })
    form?.addEventListener('change', restart)
    form?.elements.q?.addEventListener('input', () => {
      const text = wanted()
      for (const row of pane.children) row.hidden = !row.textContent.toLowerCase().includes(text)
    })

    // ---- search
    let hits = []
    let current = -1
    const count = () => {
      const text = find.value.toLowerCase()
      for (const row of hits) row.classList.remove('hit', 'current')
      hits = text
        ? [...pane.children].filter((row) => !row.hidden && row.textContent.toLowerCase().includes(text))
        : []
      for (const row of hits) row.classList.add('hit')
      current = Math.min(current, hits.length - 1)
      part('count').textContent = text ? `${current + 1} of ${hits.length}` : ''
    }
    const step = (by) => {
      count()
      if (hits.length === 0) return
      current = (Math.max(current, by > 0 ? -1 : 0) + by + hits.length) % hits.length
      follow(false)
      hits[current].classList.add('current')
      hits[current].scrollIntoView({ block: 'center' })
      part('count').textContent = `${current + 1} of ${hits.length}`
    }
    find?.addEventListener('input', () => {
      current = -1
      count()
    })
    find?.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') step(event.shiftKey ? -1 : 1)
    })
    part('next')?.addEventListener('click', () => step(1))
    part('previous')?.addEventListener('click', () => step(-1))

    part('copy')?.addEventListener('click', async () => {
      const selection = getSelection()
      const inside = selection && !selection.isCollapsed && pane.contains(selection.anchorNode)
      const text = inside ? String(selection) : [...pane.children].map((row) => row.textContent).join('\n')
      const done = await navigator.clipboard?.writeText(text).then(
        () => true,
        () => false,
      )
      tell(done ? 'copied' : 'the browser does not let it be copied')
    })

    for (const row of pane.querySelectorAll('[data-raw]')) {
      const head = row.querySelector('.when')
      row.replaceChildren(...(head ? [head] : []))
      paint(row, row.dataset.raw)
    }
    follow(following)
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: 'center' })
    open()
  }
  for (const root of document.querySelectorAll('[data-log]')) start(root)
})()
