/**
 * Links that answer a question: for a mail or a chat, where nobody is logged in.
 *
 *   token = link1.<what it is for>.<HMAC-SHA256 of that>
 *
 * A token says which question, with which arguments, for whom, until when and what its bearer may say. Nothing is stored
 * when it is made. When it answers, the answer carries the hash of the token (`via`), so the commit that takes the answer
 * is the one that uses the link up: two clicks, or two processes, cannot both count, and no crash lies between the two.
 * Whoever reads the journal cannot make the token of the hash.
 *
 * Looking at a question (`peekLink`) uses nothing up: mail scanners open every link. What answers must be a POST.
 */
import type { Duration, Engine, QuestionRecord, Runtime } from '@selvage/core'
import { type OptionNames, RunError, refuseUnknown, SelvageError, toMs, UsageError } from '@selvage/core'
import type { Answer } from './answer-form.ts'
import { answer, openQuestion } from './answers.ts'
import { hashOf, isSigned, sign } from './signing.ts'
import { seatOf } from './votes.ts'

/** What the bearer may say: yes, no, or either of them (and with which data). */
export type LinkAction = 'approve' | 'reject' | 'any'

export interface LinkOptions {
  readonly action: LinkAction
  /** Whose link it is: the answer is `by` them. Of a question to several people: one of those. Default: its assignee. */
  readonly assignee?: string
  /** Default 7 days. */
  readonly expiresIn?: Duration
  /** A page of yours: the link is this address with `?token=…`. */
  readonly url?: string
}

const LINK: OptionNames<LinkOptions> = { action: true, assignee: true, expiresIn: true, url: true }

export interface ApprovalLink {
  readonly token: string
  /** Where `url` was given. */
  readonly url?: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** What a token says, once its signature is believed. */
export interface LinkClaims {
  readonly id: string
  readonly action: LinkAction
  readonly assignee?: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
  readonly inputHash?: string
}

/** What its bearer says: only with a link for `any` is `approved` to be given. */
export interface LinkAnswer {
  readonly approved?: boolean
  /** Arguments in place of those shown. */
  readonly input?: unknown
  /** The data that the question asks for; of an interrupt or a callback its value. */
  readonly value?: unknown
  readonly reason?: string
}

const SAID: OptionNames<LinkAnswer> = { approved: true, input: true, value: true, reason: true }

const MARK = 'link1'
const WEEK_MS = 7 * 24 * 3_600_000
const ACTIONS: readonly unknown[] = ['approve', 'reject', 'any']

export class Links {
  readonly #engine: Engine
  readonly #runtime: Runtime
  readonly #secrets: readonly string[] | undefined

  /** Without a secret every use is a UsageError. */
  constructor(engine: Engine, runtime: Runtime, secrets: readonly string[] | undefined) {
    this.#engine = engine
    this.#runtime = runtime
    this.#secrets = secrets
  }

  async make(question: QuestionRecord, options: LinkOptions): Promise<ApprovalLink> {
    refuseUnknown('approvalLink()', options, LINK)
    const { action, expiresIn, url } = options
    if (!ACTIONS.includes(action)) {
      throw new UsageError('BAD_INPUT', `A link cannot ${JSON.stringify(action)}.`, {
        hint: 'Use approve, reject or any.',
      })
    }
    await openQuestion(this.#engine, question.runId, question.id)
    const assignee = options.assignee ?? question.assignee
    if (question.quorum !== undefined) seatOf(question, assignee)
    const lasts = expiresIn === undefined ? WEEK_MS : toMs(expiresIn, 'expiresIn of a link')
    const expiresAt = this.#runtime.clock.now() + lasts
    const claims: LinkClaims = {
      id: question.id,
      action,
      ...(assignee === undefined ? {} : { assignee }),
      expiresAt,
      ...(question.inputHash === undefined ? {} : { inputHash: question.inputHash }),
    }
    const body = Buffer.from(JSON.stringify({ ...claims, nonce: this.#runtime.random(8) })).toString('base64url')
    const token = `${MARK}.${body}.${sign(this.#needed(), `${MARK}.${body}`)}`
    return { token, ...(url === undefined ? {} : { url: withToken(url, token) }), expiresAt }
  }

  /** LINK_INVALID, LINK_EXPIRED. Uses nothing up. */
  read(token: string): LinkClaims {
    const [mark, body = '', signature = '', ...more] = String(token).split('.')
    if (mark !== MARK || more.length > 0 || !isSigned(this.#needed(), `${MARK}.${body}`, signature)) {
      throw new RunError('LINK_INVALID', 'This link is damaged, or was signed with another secret.', {
        hint: 'Nothing was answered; ask for a new link.',
      })
    }
    const claims: LinkClaims = JSON.parse(Buffer.from(body, 'base64url').toString())
    if (this.#runtime.clock.now() < claims.expiresAt) return claims
    throw new RunError('LINK_EXPIRED', `This link to question ${claims.id} was good until ${iso(claims.expiresAt)}.`, {
      hint: 'Nothing was answered; ask for a new link.',
      details: { id: claims.id, expiresAt: claims.expiresAt },
    })
  }

  /** Errors of `read`; LINK_USED; those of any other answer. */
  async answer(token: string, question: QuestionRecord, claims: LinkClaims, said: LinkAnswer): Promise<void> {
    refuseUnknown('answerLink()', said, SAID)
    const { id, runId, votes = [] } = question
    const via = `link:${hashOf(token)}`
    const vote = votes.find((one) => one.via === via)
    if (vote !== undefined) throw used(id, { runId, id, ...vote })
    const what = answerOf(question, claims, said)
    refuseGivenAway(question, claims)
    const { assignee: by, inputHash } = claims
    try {
      await answer(this.#engine, runId, id, what, { by, via, inputHash })
    } catch (error) {
      if (SelvageError.is(error, 'ALREADY_ANSWERED') && error.details.via === via) throw used(id, error.details)
      throw error
    }
  }

  #needed(): readonly string[] {
    if (this.#secrets !== undefined) return this.#secrets
    throw new UsageError('BAD_INPUT', 'Links are signed, and there is no secret to sign them with.', {
      hint: 'Open with openSelvage({ linkSecret }), or set the environment variable SELVAGE_LINK_SECRET.',
    })
  }
}

function answerOf(question: QuestionRecord, { action }: LinkClaims, said: LinkAnswer): Answer {
  const { approved = action === 'any' ? undefined : action === 'approve', input, value, reason } = said
  if (approved === undefined) {
    throw new UsageError('BAD_INPUT', `The answer by link to ${question.id} says neither yes nor no.`, {
      hint: 'Give { approved: true } or { approved: false, reason }.',
    })
  }
  if (action !== 'any' && approved !== (action === 'approve')) {
    throw new UsageError('BAD_INPUT', `This link to ${question.id} can only ${action}.`, {
      hint: 'Nothing was answered; a link for both is made with action: "any".',
    })
  }
  if (!approved) return { kind: 'reject', ...(reason === undefined ? {} : { reason }) }
  return { kind: 'approve', input, value }
}

/** A link is personal: who has given the question to somebody else answers it no more. */
function refuseGivenAway({ id, runId, assignee, delegations = [] }: QuestionRecord, claims: LinkClaims): void {
  const { assignee: bearer } = claims
  if (bearer === undefined || bearer === assignee) return
  if (!delegations.some(({ seat, from }) => seat === undefined && from === bearer)) return
  throw new RunError('NOT_ASKED', `Question ${id} was given by ${bearer} to somebody else.`, {
    hint: `It is for ${assignee} now.`,
    details: { runId, id, by: bearer, assignee },
  })
}

function used(id: string, details: { readonly at?: unknown; readonly [detail: string]: unknown }): RunError {
  const when = typeof details.at === 'number' ? ` at ${iso(details.at)}` : ''
  return new RunError('LINK_USED', `This link has answered question ${id}${when}.`, {
    hint: 'That answer stands; a link answers once.',
    details,
  })
}

function withToken(url: string, token: string): string {
  if (!URL.canParse(url)) {
    throw new UsageError('BAD_INPUT', `The address of a link is no URL: ${JSON.stringify(url)}.`, {
      hint: "Give the whole address of your page, as 'https://example.com/approve'.",
    })
  }
  const address = new URL(url)
  address.searchParams.set('token', token)
  return address.href
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
