// The Responses API by the official SDK for Node, whole and streamed, against each backend of a running Turnout.
import assert from 'node:assert/strict';
import { zodTextFormat } from 'openai/helpers/zod';
import { Person, cell, client, clock, pixel, tuning, user, weather } from './words.mjs';

const tools = [weather, clock].map((definition) => ({ type: 'function', ...definition }));

async function respond(asked, stream) {
  if (!stream) return client.responses.parse(asked);
  const helper = client.responses.stream(asked);
  let number = 0;
  let text = '';
  for await (const event of helper) {
    assert.equal(event.sequence_number, number++);
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  const answer = await helper.finalResponse();
  assert.equal(text, answer.output_text);
  return answer;
}

const said = (answer) => ({
  text: answer.output_text,
  calls: answer.output.filter((item) => item.type === 'function_call').map((item) => item.arguments),
  status: [answer.status, answer.incomplete_details?.reason],
  usage: answer.usage,
});

cell('turns', async (model, stream) => {
  const input = [
    { role: 'developer', content: 'Be brief.' },
    user('Hi'),
    { role: 'assistant', content: 'Hello' },
    user('What is “Größe” in 日本語? 🙂'),
  ];
  const told = said(await respond({ model, input, instructions: 'Be kind.', ...tuning }, stream));
  assert.match(told.text, /日本語\? 🙂/u);
  return told;
});

cell('tools', async (model, stream) => {
  const input = [user('Weather and time in Paris, in parallel')];
  const asked = { model, tools, reasoning: { effort: 'high', summary: 'auto' } };
  const first = await respond({ ...asked, input }, stream);
  const calls = first.output.filter((item) => item.type === 'function_call');
  assert.deepEqual(calls.map((call) => call.name), ['get_weather', 'get_time']);
  for (const { parsed_arguments: _, ...item } of first.output) input.push(item);
  calls.forEach(({ call_id }, n) => input.push({ type: 'function_call_output', call_id, output: `result ${n}` }));
  const last = said(await respond({ ...asked, input }, stream));
  assert.match(last.text, /result 0; result 1/);
  return [said(first), last];
});

cell('structured output', async (model, stream) => {
  const text = { format: zodTextFormat(Person, 'person') };
  const told = await respond({ model, input: 'Make Anna, 33', text }, stream);
  assert.equal(told.output_parsed.age, 33);
  return said(told);
});

cell('image', async (model, stream) => {
  const parts = [
    { type: 'input_text', text: 'What is this?' },
    { type: 'input_image', image_url: pixel, detail: 'auto' },
  ];
  const told = said(await respond({ model, input: [user(parts)] }, stream));
  assert.match(told.text, /I see an image/);
  return told;
});

cell('effort', async (model, stream) => {
  const told = said(await respond({ model, input: 'Why?', reasoning: { effort: 'high', summary: 'auto' } }, stream));
  assert.ok(told.usage.output_tokens_details.reasoning_tokens > 0);
  return told;
});

cell('limit', async (model, stream) => {
  const told = said(await respond({ model, input: 'count to 2000', max_output_tokens: 64 }, stream));
  assert.deepEqual(told.status, ['incomplete', 'max_output_tokens']);
  return told;
});
