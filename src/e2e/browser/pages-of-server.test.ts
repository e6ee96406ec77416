import { lookAtPages } from './every-page.ts'
import { serverPages } from './page-table.ts'

lookAtPages(serverPages)
