/**
 * Webhooks as https://www.standardwebhooks.com has them (version 1), so that receivers in any language verify them with
 * what they have. The body is the notification as JSON; what is signed is `<id>.<timestamp>.<body>`:
 *
 *   webhook-id         the id of the notification: the same at every attempt
 *   webhook-timestamp  seconds since 1970, of this attempt
 *   webhook-signature  `v1,<base64 of HMAC-SHA256>`, one for each secret, parted by blanks
 *
 * Told is told with any status of 2xx; everything else is tried again, `Retry-After` heeded. Redirects are not followed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Duration, NoticeType } from '@selvage/core'
import { type OptionNames, RetryableError, RunError, refuseUnknown, toMs, UsageError } from '@selvage/core'
import type { RetryPolicy } from '@selvage/programs'
import { type Secret, secretsOf } from '../people/signing.ts'
import type { Notification, NotifyTarget } from './notification.ts'

export interface WebhookOptions {
  readonly url: string
  /**
   * Signs: a random text of at least 16 characters (`whsec_<base64>` stands for those bytes), or a list of them, all of
   * which sign, so that a receiver may change from one to the next.
   */
  readonly secret: Secret
  /** Default: all. */
  readonly events?: readonly NoticeType[]
  /** What stands for it over deploys. Default: the url without what is behind `?`. */
  readonly name?: string
  /** Sent along, for instance an `authorization`. */
  readonly headers?: { readonly [name: string]: string }
  /** Default: 20 attempts, after 1 second, doubled up to 1 hour. */
  readonly retry?: RetryPolicy
  /** How long one request may take. Default 30 seconds. */
  readonly timeout?: Duration
}

const OPTIONS: OptionNames<WebhookOptions> = {
  url: true,
  secret: true,
  events: true,
  name: true,
  headers: true,
  retry: true,
  timeout: true,
}

/** A target of `notify` that posts each notification to a url, signed. BAD_INPUT for what is no http url, and a short secret. */
export function webhook(options: WebhookOptions): NotifyTarget {
  refuseUnknown('webhook()', options, OPTIONS)
  const { secret, events, headers, retry, timeout } = options
  const url = addressOf(options.url)
  const secrets = secretsOf('secret of a webhook', secret)
  return {
    name: options.name ?? `${url.origin}${url.pathname}`,
    ...(events === undefined ? {} : { events }),
    ...(retry === undefined ? {} : { retry }),
    ...(timeout === undefined ? {} : { timeout }),
    async deliver(notification, { abortSignal }) {
      const body = JSON.stringify(notification)
      const timestamp = `${Math.floor(Date.now() / 1_000)}`
      const response = await fetch(url, {
        method: 'POST',
        body,
        redirect: 'manual',
        signal: abortSignal,
        headers: {
          ...headers,
          'content-type': 'application/json',
          'webhook-id': notification.id,
          'webhook-timestamp': timestamp,
          'webhook-signature': signaturesOf(secrets, notification.id, timestamp, body).join(' '),
        },
      })
      await response.body?.cancel()
      if (!response.ok) throw refused(url, response)
    },
  }
}

function addressOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url
  throw new UsageError('BAD_INPUT', `The url of a webhook is ${JSON.stringify(text)}.`, { hint: 'Give one of https.' })
}

function refused(url: URL, { status, headers }: Response): Error {
  const message = `The webhook ${url.origin}${url.pathname} answered ${status}.`
  const after = Number(headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(after) && after > 0
    ? new RetryableError(message, { after: after * 1_000 })
    : new Error(message)
}

function signaturesOf(secrets: readonly string[], id: string, timestamp: string, body: string): string[] {
  return secrets.map((secret) => {
    const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
}

export interface ReceivedWebhook {
  /** One, or a list of those that are believed. */
  readonly secret: Secret
  /** Of the request: a `Headers`, or an object as Node's `request.headers`. */
  readonly headers: Headers | { readonly [name: string]: string | readonly string[] | undefined }
  /** The body as it came, not parsed. */
  readonly body: string
  /** How old it may be. Default 5 minutes. */
  readonly tolerance?: Duration
  /** Epoch milliseconds; for tests. */
  readonly now?: number
}

const RECEIVED: OptionNames<ReceivedWebhook> = {
  secret: true,
  headers: true,
  body: true,
  tolerance: true,
  now: true,
}

/** What a webhook says, if it comes from who has the secret and not from a recording. WEBHOOK_INVALID. */
export function verifyWebhook(received: ReceivedWebhook): Notification {
  refuseUnknown('verifyWebhook()', received, RECEIVED)
  const { secret, headers, body, tolerance = '5m', now = Date.now() } = received
  const read = (name: string): string => {
    const value = headers instanceof Headers ? headers.get(name) : headers[name]
    return typeof value === 'string' ? value : ''
  }
  const timestamp = read('webhook-timestamp')
  const right = signaturesOf(secretsOf('secret of a webhook', secret), read('webhook-id'), timestamp, body)
  const given = read('webhook-signature').split(' ')
  if (!right.some((one) => given.some((other) => isEqual(one, other)))) {
    throw invalid('This webhook is not signed with the secret.')
  }
  if (!(Math.abs(now - Number(timestamp) * 1_000) <= toMs(tolerance, 'tolerance'))) {
    throw invalid('This webhook is too old, or a clock is wrong.')
  }
  return JSON.parse(body)
}

function isEqual(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function invalid(message: string): RunError {
  return new RunError('WEBHOOK_INVALID', message, { hint: 'Answer it with 401 and do nothing.' })
}
