// Answers that come bit by bit, line by line.

/** Yield the lines of a response as they come. */
export async function* lines(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split(/\r?\n/);
      rest = parts.pop() ?? '';
      yield* parts;
    }
    if (rest) yield rest;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Yield the events of a stream of server-sent events: the name, empty for none, and the data. */
export async function* events(response: Response): AsyncGenerator<{ name: string; data: string }> {
  let name = '';
  let data: string[] = [];
  for await (const line of lines(response)) {
    if (line === '') {
      if (data.length) yield { name, data: data.join('\n') };
      [name, data] = ['', []];
    } else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
    else if (line.startsWith('event:')) name = line.slice(6).trim();
  }
}
