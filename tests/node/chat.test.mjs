// Chat completions by the official SDK for Node, whole and streamed, against each backend of a running Turnout.
import assert from 'node:assert/strict';
import { zodResponseFormat } from 'openai/helpers/zod';
import { Person, cell, client, clock, pixel, tuning, user, weather } from './words.mjs';

const tools = [weather, clock].map((definition) => ({ type: 'function', function: definition }));

async function complete(asked, stream) {
  if (!stream) {
    const answer = await client.chat.completions.parse(asked);
    return [answer.choices[0], answer.usage];
  }
  const helper = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
  let text = '';
  helper.on('content', (delta) => (text += delta));
  const answer = await helper.finalChatCompletion();
  assert.equal(text, answer.choices[0].message.content ?? '');
  return [answer.choices[0], answer.usage];
}

const said = ([choice, usage]) => ({
  text: choice.message.content ?? '',
  calls: (choice.message.tool_calls ?? []).map((call) => call.function.arguments),
  finish: choice.finish_reason,
  usage: [usage.prompt_tokens, usage.completion_tokens, usage.completion_tokens_details?.reasoning_tokens],
});

// What an application keeps of a call: the SDK's own additions would be unknown fields to OpenAI.
const kept = ({ id, type, function: { name, arguments: args } }) => ({ id, type, function: { name, arguments: args } });

cell('turns', async (model, stream) => {
  const messages = [
    { role: 'system', content: 'Be kind.' },
    { role: 'developer', content: 'Be brief.' },
    user('Hi'),
    { role: 'assistant', content: 'Hello' },
    user('What is “Größe” in 日本語? 🙂'),
  ];
  const told = said(await complete({ model, messages, seed: 1, ...tuning }, stream));
  assert.match(told.text, /日本語\? 🙂/u);
  assert.equal(told.finish, 'stop');
  return told;
});

cell('tools', async (model, stream) => {
  const messages = [user('Weather and time in Paris, in parallel')];
  const first = await complete({ model, messages, tools }, stream);
  const calls = first[0].message.tool_calls;
  assert.equal(first[0].finish_reason, 'tool_calls');
  assert.deepEqual(calls.map((call) => call.function.name), ['get_weather', 'get_time']);
  assert.equal(JSON.parse(calls[0].function.arguments).city, 'Paris');
  messages.push({ role: 'assistant', content: null, tool_calls: calls.map(kept) });
  calls.forEach((call, n) => messages.push({ role: 'tool', tool_call_id: call.id, content: `result ${n}` }));
  const last = said(await complete({ model, messages, tools }, stream));
  assert.match(last.text, /result 0; result 1/);
  return [said(first), last];
});

cell('tool runner', async (model, stream) => {
  const seen = [];
  const answer = (args) => {
    seen.push(args);
    return 'sunny';
  };
  const runnable = { type: 'function', function: { ...weather, parse: JSON.parse, function: answer } };
  const messages = [user('Weather in Paris')];
  const runner = client.chat.completions.runTools({ model, messages, tools: [runnable], stream });
  const text = await runner.finalContent();
  assert.match(text, /the tool said sunny/);
  assert.deepEqual(seen, [{ city: 'Paris', unit: 'celsius' }]);
  return text;
});

cell('structured output', async (model, stream) => {
  const asked = { model, messages: [user('Make Anna, 33')], response_format: zodResponseFormat(Person, 'person') };
  const told = await complete(asked, stream);
  assert.equal(told[0].message.parsed.age, 33);
  return said(told);
});

cell('image', async (model, stream) => {
  const parts = [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: pixel } }];
  const told = said(await complete({ model, messages: [user(parts)] }, stream));
  assert.match(told.text, /I see an image/);
  return told;
});

cell('effort', async (model, stream) => {
  const told = said(await complete({ model, messages: [user('Why?')], reasoning_effort: 'high' }, stream));
  assert.ok(told.usage[2] > 0);
  return told;
});
