import { everyCase } from './survive.suite.ts'
import { deploying } from './walks.ts'

everyCase('deployments that fail at every step', deploying, ['throw'])
