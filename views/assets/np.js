// Comes right behind htmx in one file. Two things of our own:
// a form with data-progress shows how far its upload is, which fetch() cannot tell, and can be cancelled;
// a part with data-live stands still while nobody looks at it.
htmx.registerExtension('nodepilot', {
  htmx_before_request(elt, { ctx }) {
    if (elt.matches('[data-live]') && (document.hidden || document.querySelector('dialog[open]')))
      return false
    if (elt.matches('[data-progress]')) ctx.fetch = (url, request) => upload(elt, url, request)
  },
  // what refreshes itself stays as it is while the server cannot answer
  htmx_before_swap(_elt, { ctx }) {
    if (ctx.response?.status >= 400 && ctx.sourceElement?.matches('[data-live]')) return false
  },
})

function upload(form, url, request) {
  const bar = form.querySelector('progress')
  const box = form.querySelector('[data-progress-box]')
  const percent = form.querySelector('[data-percent]')
  const cancel = form.querySelector('[data-cancel]')
  const answer = new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const stop = () => xhr.abort()
    xhr.open(request.method, url)
    for (const name in request.headers) xhr.setRequestHeader(name, request.headers[name])
    xhr.upload.onprogress = ({ lengthComputable, loaded, total }) => {
      if (!lengthComputable) return
      const done = Math.round((100 * loaded) / total)
      bar.value = done
      percent.textContent = done < 100 ? `${done} %` : 'Uploaded, starting the deploy…'
    }
    xhr.onload = () => resolve(responseOf(xhr))
    xhr.onerror = () => reject(new TypeError('the connection broke'))
    xhr.onabort = () => reject(new DOMException('cancelled', 'AbortError'))
    request.signal?.addEventListener('abort', stop)
    cancel.addEventListener('click', stop)
    xhr.send(request.body)
  })
  box.hidden = false
  form.dataset.busy = ''
  return answer
    .catch((error) => {
      const words = error.name === 'AbortError' ? 'Upload cancelled.' : 'The connection broke. Try again.'
      document.getElementById('say').textContent = words
      throw error
    })
    .finally(() => {
      box.hidden = true
      bar.value = 0
      delete form.dataset.busy
    })
}

function responseOf(xhr) {
  const headers = xhr
    .getAllResponseHeaders()
    .trim()
    .split(/\r?\n/)
    .filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  const body = xhr.status === 204 || xhr.status === 304 ? null : xhr.responseText
  return new Response(body, { status: xhr.status, headers })
}
