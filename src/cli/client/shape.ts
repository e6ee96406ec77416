import { Failure } from './failure.ts'
import { printable } from './printable.ts'

/**
 * Reads what a server answered: checks its shape, and takes control characters out of every text. zod would do
 * the checking too, but loading it doubles the time in which a command starts, and that is felt at every one.
 */
export type Reader<T> = (value: unknown, at: string) => T

type Shape = Readonly<Record<string, Reader<unknown>>>
export type Read<R> = R extends Reader<infer T> ? T : never

/** The value, or a failure that names the first place where it is something else. */
export function read<T>(reader: Reader<T>, value: unknown): T {
  return reader(value, 'answer')
}

export const text: Reader<string> = (value, at) =>
  typeof value === 'string' ? printable(value) : wrong(at, 'text')

/** As the server sent it: config vars and log lines. Whoever prints it decides. */
export const rawText: Reader<string> = (value, at) => (typeof value === 'string' ? value : wrong(at, 'text'))

/** Goes into a header, into git's store and onto a terminal: nothing but visible characters. */
export const secret: Reader<string> = (value, at) =>
  typeof value === 'string' && /^[\x21-\x7e]{1,8192}$/.test(value) ? value : wrong(at, 'a secret')

export const number: Reader<number> = (value, at) =>
  typeof value === 'number' ? value : wrong(at, 'a number')

export const boolean: Reader<boolean> = (value, at) =>
  typeof value === 'boolean' ? value : wrong(at, 'true or false')

/** Also for what an older server leaves out. */
export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null || value === undefined ? null : reader(value, at))
}

export function withDefault<T>(reader: Reader<T>, otherwise: T): Reader<T> {
  return (value, at) => (value === null || value === undefined ? otherwise : reader(value, at))
}

export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value, at) =>
    Array.isArray(value) ? value.map((item, i) => reader(item, `${at}[${i}]`)) : wrong(at, 'a list')
}

/** Names are cleaned like every text. */
export function mapOf<T>(reader: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, at) =>
    Object.fromEntries(
      Object.entries(record(value, at)).map(([key, item]) => [printable(key), reader(item, `${at}.${key}`)]),
    )
}

/** More fields than these are fine: newer servers have more. */
export function object<S extends Shape>(shape: S): Reader<{ readonly [K in keyof S]: Read<S[K]> }> {
  return (value, at) => {
    const from = record(value, at)
    const entries = Object.entries(shape).map(([key, reader]) => [key, reader(from[key], `${at}.${key}`)])
    return Object.fromEntries(entries)
  }
}

/** A name or a number, as text. */
export const label: Reader<string> = (value, at) =>
  typeof value === 'number' ? String(value) : text(value, at)

function record(value: unknown, at: string): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : wrong(at, 'an object')
}

function wrong(at: string, wanted: string): never {
  throw new Failure(
    'unexpected_answer',
    `the server's ${printable(at)} is not ${wanted}`,
    'is it a NodePilot, and about as new as this command? try: nodepilot doctor',
  )
}
