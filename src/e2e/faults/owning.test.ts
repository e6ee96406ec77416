import { everyCase } from './survive.suite.ts'
import { owning } from './walks.ts'

everyCase('projects and domains, killed and failing at every step', owning)
