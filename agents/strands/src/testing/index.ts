export { relieveLoop } from './relieved.ts'
export {
  type Script,
  type ScriptedAnswer,
  type ScriptedCall,
  ScriptedModel,
  type ScriptedModelOptions,
  type ScriptedToolUse,
  scriptedModel,
  throttled,
} from './scripted-model.ts'
