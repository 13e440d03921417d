// Lines that are ready to be pasted into the programs that talk to the gateway.

export type Snippet = { name: string; text: string };

export function snippets(origin: string, key: string, model: string): Snippet[] {
  const base = `${origin}/v1`;
  return [
    {
      name: 'curl',
      text: `curl ${base}/chat/completions \\\n  -H "Authorization: Bearer ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d '${shell(JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'Hello' }] }))}'`,
    },
    {
      name: 'Python',
      text: `from openai import OpenAI\n\nclient = OpenAI(base_url=${quote(base)}, api_key=${quote(key)})\nreply = client.chat.completions.create(\n    model=${quote(model)},\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(reply.choices[0].message.content)`,
    },
    {
      name: 'Node.js',
      text: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: ${quote(base)}, apiKey: ${quote(key)} });\nconst reply = await client.chat.completions.create({\n  model: ${quote(model)},\n  messages: [{ role: "user", content: "Hello" }],\n});\nconsole.log(reply.choices[0].message.content);`,
    },
    { name: 'FastGPT', text: `OPENAI_BASE_URL=${base}\nCHAT_API_KEY=${key}` },
    { name: 'NextChat', text: `BASE_URL=${origin}\nOPENAI_API_KEY=${key}\nCUSTOM_MODELS=-all,+${model}` },
    { name: 'LobeChat', text: `OPENAI_PROXY_URL=${base}\nOPENAI_API_KEY=${key}\nOPENAI_MODEL_LIST=-all,+${model}` },
    { name: 'Cherry Studio', text: `API Host: ${origin}\nAPI Key: ${key}\nModel: ${model}` },
  ];
}

export type Chat = Record<string, unknown>;

/** A request to the gateway as a line of curl. The key is left for the reader to fill in. */
export function asCurl(origin: string, body: Chat): string {
  return `curl ${origin}/v1/chat/completions \\\n  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '${shell(JSON.stringify(body, null, 2))}'`;
}

export function asPython(origin: string, body: Chat): string {
  const given = Object.entries(body).map(([name, value]) => `    ${name}=${python(value)},\n`);
  return `from openai import OpenAI\n\nclient = OpenAI(base_url=${quote(`${origin}/v1`)})  # OPENAI_API_KEY\nstream = client.chat.completions.create(\n${given.join('')})\nfor chunk in stream:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="", flush=True)`;
}

const quote = (text: string): string => JSON.stringify(text);
const shell = (text: string): string => text.replaceAll("'", `'\\''`);

function python(value: unknown): string {
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (value === null) return 'None';
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value).map(([name, one]) => `${quote(name)}: ${python(one)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
