// openai-node and the Vercel AI SDK against BASE_URL. Prints as JSON what they got, by the name of what was tried.
import OpenAI from "openai";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

const { BASE_URL: baseURL, API_KEY: apiKey } = process.env;
const question = "What is the capital of France?";
const messages = [{ role: "user", content: question }];
const openai = new OpenAI({ baseURL, apiKey, maxRetries: 2 });
const stranger = new OpenAI({ baseURL, apiKey: "sk-wrong" });
const vercel = createOpenAI({ baseURL, apiKey });
const brief = { model: "any", max_tokens: 24, temperature: 0 };
const briefResponse = { model: "any", max_output_tokens: 24, temperature: 0 };

async function joined(stream, textOf) {
  let text = "";
  for await (const part of stream) text += textOf(part) ?? "";
  return text;
}

const tried = {
  async chat() {
    const answer = await openai.chat.completions.create({ ...brief, messages });
    const { message, finish_reason } = answer.choices[0];
    return { text: message.content, finish: finish_reason, model: answer.model, requestId: answer._request_id };
  },
  async chatStream() {
    const stream = await openai.chat.completions.create({ ...brief, messages, stream: true });
    return { text: await joined(stream, (chunk) => chunk.choices[0].delta.content) };
  },
  async chatStreamHelper() {
    const stream = openai.chat.completions.stream({ ...brief, messages, stream_options: { include_usage: true } });
    const final = await stream.finalChatCompletion();
    return { text: final.choices[0].message.content, usage: await stream.totalUsage() };
  },
  async models() {
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    return { ids, one: (await openai.models.retrieve(ids[0])).id };
  },
  wrongKey: () => stranger.models.list(),
  badRequest: () => openai.chat.completions.create({ ...brief, messages, temperature: 9 }),
  notFound: () => openai.models.retrieve("gpt-4o"),
  async responses() {
    const answer = await openai.responses.create({ ...briefResponse, input: question });
    return { text: answer.output_text, status: answer.status, usage: answer.usage };
  },
  async responsesStream() {
    const stream = openai.responses.stream({ ...briefResponse, input: question });
    const types = [];
    stream.on("event", (event) => types.push(event.type));
    const final = await stream.finalResponse();
    return { text: final.output_text, status: final.status, types };
  },
  async responsesSecondTurn() {
    const first = await openai.responses.create({ ...briefResponse, input: question });
    const input = [{ role: "user", content: question }, ...first.output, { role: "user", content: "And of Spain?" }];
    return { status: (await openai.responses.create({ ...briefResponse, input })).status };
  },
  async vercelChat() {
    const answer = await generateText({ model: vercel.chat("any"), prompt: question, maxOutputTokens: 24 });
    return { text: answer.text, finish: answer.finishReason, usage: answer.usage };
  },
  async vercelChatStream() {
    const stream = streamText({ model: vercel.chat("any"), prompt: question, maxOutputTokens: 24 });
    return { text: await joined(stream.textStream, (text) => text), finish: await stream.finishReason };
  },
  async vercelResponses() {
    const answer = await generateText({ model: vercel.responses("any"), prompt: question, maxOutputTokens: 24 });
    return { text: answer.text, finish: answer.finishReason };
  },
  async vercelResponsesStream() {
    const stream = streamText({ model: vercel.responses("any"), prompt: question, maxOutputTokens: 24 });
    return { text: await joined(stream.textStream, (text) => text), finish: await stream.finishReason };
  },
};

const told = {};
for (const [name, attempt] of Object.entries(tried)) {
  try {
    told[name] = { value: await attempt() };
  } catch (error) {
    const { status, code, param, requestID, message } = error;
    told[name] = { error: { class: error.constructor.name, status, code, param, requestID, message } };
  }
}
process.stdout.write(JSON.stringify(told));
