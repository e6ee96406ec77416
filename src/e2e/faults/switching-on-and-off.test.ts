import { everyCase } from './survive.suite.ts'
import { switchingOnAndOff } from './walks.ts'

everyCase('start and stop, killed and failing at every step', switchingOnAndOff)
