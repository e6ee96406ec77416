import { lookAtPages } from './every-page.ts'
import { projectPages } from './page-table.ts'

lookAtPages(projectPages)
