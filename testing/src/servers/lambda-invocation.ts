/** The main module of one invocation: a process that makes it and ends. See LambdaServiceOptions.handler. */
import { type LambdaHandler, lambdaRuntime } from './lambda-runtime.ts'

const {
  AWS_LAMBDA_RUNTIME_API: api = '',
  AWS_LAMBDA_FUNCTION_NAME: functionName = '',
  SELVAGE_TEST_HANDLER: url = '',
} = process.env
const { handler } = (await import(url)) as { readonly handler: LambdaHandler }
const { over } = await lambdaRuntime(api, handler, { functionName, count: 1 })
await over
process.exit()
