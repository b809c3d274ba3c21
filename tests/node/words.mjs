// What both APIs are asked, and the client that asks.
import assert from 'node:assert/strict';
import test from 'node:test';
import OpenAI from 'openai';
import { z } from 'zod';

export const client = new OpenAI({
  baseURL: process.env.TURNOUT_BASE_URL,
  apiKey: 'k',
  maxRetries: 0,
  timeout: 20_000,
});
export const backends = (process.env.TURNOUT_BACKENDS ?? '').split(',').filter(Boolean);
export const tuning = { temperature: 0, top_p: 1, user: 'u' };

export const weather = {
  name: 'get_weather',
  description: 'The weather at a place.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
    required: ['city', 'unit'],
    additionalProperties: false,
  },
  strict: true,
};
export const clock = {
  name: 'get_time',
  description: 'The time at a place.',
  parameters: {
    type: 'object',
    properties: { zone: { type: 'string' } },
    required: ['zone'],
    additionalProperties: false,
  },
  strict: true,
};
export const pixel =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
export const Person = z.object({
  name: z.string(),
  age: z.number().int(),
  mood: z.enum(['good', 'bad']),
  homes: z.array(z.object({ street: z.string(), number: z.number().int() })),
  nickname: z.string().nullable(),
});
export const user = (content) => ({ role: 'user', content });

// One test for each backend: `ask(model, stream)` gives what was said, and both modes must say the same.
export function cell(name, ask) {
  for (const backend of backends) {
    test(`${name}: ${backend}`, async () => {
      const told = [];
      for (const stream of [false, true]) told.push(await ask(`backend/${backend}`, stream));
      assert.deepEqual(told[1], told[0]);
    });
  }
}
