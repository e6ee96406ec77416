import { everyCase } from './survive.suite.ts'
import { byItself } from './walks.ts'

everyCase('deliveries and scheduled jobs, killed and failing at every step', byItself)
