import { everyCase } from './survive.suite.ts'
import { running } from './walks.ts'

everyCase('restart and scale, killed and failing at every step', running)
