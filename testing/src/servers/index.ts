export { freePorts } from './ports.ts'
export { noPostgres, PostgresTestServer } from './postgres.ts'
export { noRestate, type RestateServerOptions, RestateTestServer, restateBinary } from './restate.ts'
