// The code stands in the fragment of the link, so that no access log keeps it.
const form = document.getElementById('setup')
const outcome = document.getElementById('outcome')
form.code.value = decodeURIComponent(location.hash.slice(1))
history.replaceState(null, '', location.pathname)

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const body = JSON.stringify(Object.fromEntries(new FormData(form)))
  const answer = await fetch(form.action, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (answer.ok) {
    location.assign('/')
    return
  }
  const problem = await answer.json()
  outcome.textContent = problem.hint ? `${problem.detail}. ${problem.hint}` : problem.detail
})
