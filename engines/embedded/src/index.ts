export { type EmbeddedOptions, embeddedEngine } from './engine.ts'
export { embeddedManifest } from './manifest.ts'
