// The code stands in the fragment of the link, so that no access log keeps it.
const form = document.getElementById('setup')
const given = decodeURIComponent(location.hash.slice(1))
if (form && given) {
  form.code.value = given
  history.replaceState(null, '', location.pathname)
}
