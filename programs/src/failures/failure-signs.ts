/**
 * The signs by which failures are known: names, codes, types and HTTP statuses of what agents talk to.
 *
 * Sources: the error classes of @strands-agents/sdk; `@smithy/service-error-classification` (AWS); the error pages of
 * docs.anthropic.com and platform.openai.com; Node's `errors` and undici's `Errors` pages; `is-retry-allowed` for which
 * of Node's codes are worth another attempt; gRPC status codes.
 */
/** Whether the same call may go well later, never, or only if the model is asked otherwise. */
export type FailureClass = 'transient' | 'permanent' | 'model'

export type FailureKind = TransientKind | PermanentKind | ModelKind

export type TransientKind =
  /** Too many calls: 429, 503, 529, throttling. */
  | 'overload'
  | 'timeout'
  | 'connection'
  /** The other side is at fault: other 5xx. */
  | 'server'
  /** The author threw RetryableError. */
  | 'retryable'

export type PermanentKind =
  | 'auth'
  | 'not-found'
  /** The call itself is wrong. */
  | 'invalid'
  /** Money or an allowance is used up. */
  | 'quota'
  | 'cancelled'
  /** The author threw TerminalError. */
  | 'terminal'
  /** An effect `once` may or may not have happened. */
  | 'unknown'
  /** An error of the language: code is wrong. */
  | 'bug'
  /** Nothing says what it is. */
  | 'unrecognised'

export type ModelKind =
  /** The model, or a filter in front of it, declined. */
  | 'refusal'
  | 'context-overflow'
  /** What the model said cannot be read, or is not the structured output that was asked for. */
  | 'malformed-output'
  /** The answer was cut at the maximum of tokens. */
  | 'max-tokens'

export const CLASS_OF: { readonly [Kind in FailureKind]: FailureClass } = {
  overload: 'transient',
  timeout: 'transient',
  connection: 'transient',
  server: 'transient',
  retryable: 'transient',
  auth: 'permanent',
  'not-found': 'permanent',
  invalid: 'permanent',
  quota: 'permanent',
  cancelled: 'permanent',
  terminal: 'permanent',
  unknown: 'permanent',
  bug: 'permanent',
  unrecognised: 'permanent',
  refusal: 'model',
  'context-overflow': 'model',
  'malformed-output': 'model',
  'max-tokens': 'model',
}

const NAMES: { readonly [Kind in FailureKind]?: string } = {
  overload:
    'ModelThrottledError ThrottlingException Throttling ThrottledException RequestThrottled RequestThrottledException TooManyRequestsException EC2ThrottledException ProvisionedThroughputExceededException RequestLimitExceeded BandwidthLimitExceeded SlowDown PriorRequestNotComplete TransactionInProgressException ServiceUnavailable ServiceUnavailableException ServerBusy ModelNotReadyException CircuitOpenError',
  timeout: 'TimeoutError RequestTimeout RequestTimeoutException ModelTimeoutException ResponseTimeoutError',
  connection: 'FetchError SocketError NetworkError NetworkingError',
  server:
    'InternalServerException InternalServerError InternalFailure InternalError ModelStreamErrorException ModelErrorException',
  retryable: 'RetryableError',
  auth: 'AccessDenied AccessDeniedException UnauthorizedException UnrecognizedClientException ExpiredToken ExpiredTokenException InvalidSignatureException CredentialsProviderError NotAuthorizedException',
  'not-found':
    'ResourceNotFoundException NotFoundException NoSuchKey NoSuchBucket ToolNotFoundError AI_NoSuchModelError',
  invalid:
    'UsageError NonDeterminismError ValidationException ValidationError ZodError ToolValidationError DefaultNotConfiguredError ConcurrentInvocationError AI_InvalidPromptError AI_InvalidArgumentError',
  quota: 'ServiceQuotaExceededException',
  cancelled: 'AbortError APIUserAbortError CancelledError',
  terminal: 'TerminalError',
  refusal: 'ModelRefusalError ContentFilterFinishReasonError',
  'context-overflow': 'ContextWindowOverflowError',
  'malformed-output':
    'StructuredOutputError AI_NoObjectGeneratedError AI_JSONParseError AI_TypeValidationError AI_InvalidResponseDataError',
  'max-tokens': 'MaxTokensError LengthFinishReasonError',
}

/** `code` and `type` of an error, also of the body that a provider sent with it. */
const CODES: { readonly [Kind in FailureKind]?: string } = {
  overload:
    'rate_limit_exceeded rate_limit_error overloaded_error overloaded tokens requests RESOURCE_EXHAUSTED EMFILE ENFILE EBUSY SQLITE_BUSY UNAVAILABLE',
  timeout:
    'ETIMEDOUT ESOCKETTIMEDOUT ETIME UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT timeout_error DEADLINE_EXCEEDED STEP_TIMEOUT ERR_SOCKET_CONNECTION_TIMEOUT',
  connection:
    'ECONNRESET ECONNREFUSED ECONNABORTED EPIPE ENETUNREACH EHOSTUNREACH ENETDOWN EHOSTDOWN ENETRESET ENOTCONN EADDRNOTAVAIL EAI_AGAIN EAGAIN UND_ERR_SOCKET UND_ERR_CLOSED UND_ERR_DESTROYED ERR_NETWORK ERR_STREAM_PREMATURE_CLOSE ERR_HTTP2_STREAM_ERROR ERR_HTTP2_SESSION_ERROR ERR_HTTP2_GOAWAY_SESSION ConnectionRefused ConnectionClosed',
  server: 'api_error server_error internal_server_error DISK_FULL STALE_ADVANCE',
  auth: 'authentication_error permission_error invalid_api_key invalid_authentication EACCES EPERM UNAUTHENTICATED PERMISSION_DENIED',
  'not-found': 'not_found_error model_not_found ENOTFOUND ENOENT NOT_FOUND',
  invalid:
    'invalid_request_error invalid_value unsupported_parameter INVALID_ARGUMENT FAILED_PRECONDITION CERT_HAS_EXPIRED DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_VERIFY_LEAF_SIGNATURE UNABLE_TO_GET_ISSUER_CERT_LOCALLY ERR_TLS_CERT_ALTNAME_INVALID',
  quota: 'insufficient_quota billing_error billing_hard_limit_reached',
  cancelled: 'ABORT_ERR RUN_CANCELLED DEADLINE RUN_TIMEOUT ERR_CANCELED',
  unknown: 'OUTCOME_UNKNOWN',
  refusal: 'content_filter content_policy_violation ResponsibleAIPolicyViolation safety_violation',
  'context-overflow': 'context_length_exceeded request_too_large string_above_max_length',
}

/** What providers say where neither name nor code does; compared in lower case. */
const PHRASES: readonly (readonly [RegExp, FailureKind])[] = [
  [
    /prompt is too long|maximum context length|context_length_exceeded|context window|input is too long|exceeds? (?:the )?(?:context|maximum number of tokens)|exceed context limit|too many input tokens/,
    'context-overflow',
  ],
  [/unable to parse tool input json/, 'malformed-output'],
  [/^stream ended without completing/, 'connection'],
  // Inside of an event: @smithy/core of AWS, @google/genai.
  [/^truncated event message received\b|^incomplete json segment at the end\b/, 'connection'],
  [/^overloaded$|\boverloaded_error\b|^too many requests\b/, 'overload'],
  [/^request timed out\.?$|^connection timed? ?out/, 'timeout'],
  [/^request was aborted\.?$/, 'cancelled'],
  [/^connection error\.?$|^socket hang up$|^other side closed$|^client network socket disconnected/, 'connection'],
  [/^(?:\d+ )?unavailable:/, 'overload'],
  [/^(?:\d+ )?resource_exhausted:/, 'overload'],
  [/^(?:\d+ )?deadline_exceeded:/, 'timeout'],
]

/** What `fetch` rejects with on the platforms that have it. */
const FETCH_FAILED = /^(?:fetch failed|failed to fetch|terminated|network ?error|load failed)/i

const LANGUAGE = ['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError', 'EvalError', 'URIError']

function index(table: { readonly [kind: string]: string }): ReadonlyMap<string, FailureKind> {
  const lines = Object.entries(table) as (readonly [FailureKind, string])[]
  return new Map(lines.flatMap(([kind, signs]) => signs.split(' ').map((sign) => [sign, kind] as const)))
}

const byName = index(NAMES)
const byCode = index(CODES)

export function kindOfName(name: string): FailureKind | undefined {
  return byName.get(name)
}

export function kindOfCode(code: string): FailureKind | undefined {
  return byCode.get(code) ?? (code.startsWith('ERR_INVALID_') ? 'invalid' : undefined)
}

export function kindOfMessage(message: string): FailureKind | undefined {
  const lower = message.toLowerCase()
  return PHRASES.find(([phrase]) => phrase.test(lower))?.[1]
}

export function isFetchFailure({ name, message }: { readonly name?: unknown; readonly message?: unknown }): boolean {
  return name === 'TypeError' && FETCH_FAILED.test(String(message))
}

export function isOfLanguage(name: unknown): boolean {
  return typeof name === 'string' && LANGUAGE.includes(name)
}

const STATUS: { readonly [status: number]: FailureKind } = {
  401: 'auth',
  402: 'quota',
  403: 'auth',
  404: 'not-found',
  407: 'auth',
  408: 'timeout',
  410: 'not-found',
  425: 'overload',
  429: 'overload',
  501: 'invalid',
  503: 'overload',
  504: 'timeout',
  505: 'invalid',
  522: 'timeout',
  524: 'timeout',
  529: 'overload',
}

/** Of an HTTP status; undefined for one that is no failure. */
export function kindOfStatus(status: number): FailureKind | undefined {
  if (!Number.isInteger(status) || status < 400 || status > 599) return undefined
  return STATUS[status] ?? (status < 500 ? 'invalid' : 'server')
}
