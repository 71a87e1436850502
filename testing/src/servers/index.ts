export { freePorts } from './ports.ts'
export { noRestate, type RestateServerOptions, RestateTestServer, restateBinary } from './restate.ts'
