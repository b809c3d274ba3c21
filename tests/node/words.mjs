// What both APIs are asked, and the client that asks.
import OpenAI from 'openai';
import { z } from 'zod';

export const client = new OpenAI({ baseURL: process.env.TURNOUT_BASE_URL, apiKey: 'k', maxRetries: 0, timeout: 20_000 });
export const backends = (process.env.TURNOUT_BACKENDS ?? '').split(',').filter(Boolean);
export const modes = ['whole', 'stream'];
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

// One test for each backend; both modes must say the same.
export function cell(test, name, assert, ask) {
  for (const backend of backends) {
    test(`${name}: ${backend}`, async () => {
      const told = [];
      for (const mode of modes) told.push(await ask(`backend/${backend}`, mode === 'stream', backend));
      assert.deepEqual(told[1], told[0]);
    });
  }
}
