// Talk to a model through the gateway, as any client of it does.

import { send } from './api';
import { events } from './stream';

export type Piece = { text?: string; reasoning?: string; call?: string; usage?: Record<string, number>; finish?: string };

type Delta = { content?: string; reasoning_content?: string; reasoning?: string; tool_calls?: { index?: number; function?: { name?: string; arguments?: string } }[] };

/** Yield the pieces of an answer as they come. Raises ApiError; a break inside the stream too, as Error. */
export async function* chat(key: string, body: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<Piece> {
  const response = await send('POST', '/v1/chat/completions', body, { Authorization: `Bearer ${key}` }, signal);
  for await (const { data } of events(response)) {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data) as { choices?: { delta?: Delta; finish_reason?: string }[]; usage?: Record<string, number>; error?: { message?: string } };
    if (chunk.error) throw new Error(chunk.error.message ?? 'error');
    const choice = chunk.choices?.[0];
    const delta = choice?.delta ?? {};
    const call = (delta.tool_calls ?? []).map((one) => `${one.function?.name ? `\n${one.function.name}: ` : ''}${one.function?.arguments ?? ''}`).join('');
    yield {
      text: delta.content ?? undefined,
      reasoning: delta.reasoning_content ?? delta.reasoning ?? undefined,
      call: call || undefined,
      usage: chunk.usage ?? undefined,
      finish: choice?.finish_reason ?? undefined,
    };
  }
}

/** The models a key may use. */
export async function modelsOf(key: string): Promise<string[]> {
  const response = await send('GET', '/v1/models', undefined, { Authorization: `Bearer ${key}` });
  return ((await response.json()) as { data: { id: string }[] }).data.map((one) => one.id);
}
