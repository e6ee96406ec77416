// The code stands in the fragment of the link, so that no access log keeps it. The link may be opened where the page is.
const form = document.getElementById('setup')
const fill = () => {
  const given = decodeURIComponent(location.hash.slice(1))
  if (!form || !given) return
  form.code.value = given
  history.replaceState(null, '', location.pathname)
}
addEventListener('hashchange', fill)
fill()
