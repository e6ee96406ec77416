import { everyCase } from './survive.suite.ts'
import { releasing } from './walks.ts'

everyCase('rollback, config vars, backup, killed and failing at every step', releasing)
