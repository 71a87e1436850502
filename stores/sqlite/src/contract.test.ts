import { storeContract } from '@selvage/testing/store'
import { place } from '../test/place.ts'

storeContract(() => place({ durability: 'normal' }))
