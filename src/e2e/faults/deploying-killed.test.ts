import { everyCase } from './survive.suite.ts'
import { deploying } from './walks.ts'

everyCase('the server killed at every step of a deployment', deploying, ['kill'])
