import _ from 'lodash'
import { createRoot } from 'react-dom/client'
import { BrowserRouter, Link, Route, Routes } from 'react-router-dom'

function Home() {
  return <p>home {_.startCase('heavier app')}</p>
}
function About() {
  return <p>about</p>
}
createRoot(document.getElementById('root') as HTMLElement).render(
  <BrowserRouter basename="/app">
    <nav>
      <Link to="/">home</Link> <Link to="/about">about</Link>
    </nav>
    <Routes>
      <Route path="/" element={<Home />} />
      <Route path="/about" element={<About />} />
    </Routes>
  </BrowserRouter>,
)
