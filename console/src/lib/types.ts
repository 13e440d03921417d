// What the admin API answers. The names are those of /api/v1/openapi.json.

export type Page<T> = { data: T[]; next: string | null };
export type Balance = { remaining: number | null; used: number };
export type Role = 'user' | 'admin' | 'root';
export type Me = { id: number | null; name: string; role: Role; group: string | null; balance: Balance | null };

export type Option = {
  name: string;
  label: string;
  default: string;
  secret: boolean;
  help: string;
  choices: string[];
};
export type Adapter = {
  name: string;
  title: string;
  base_url: string;
  key_help: string;
  endpoints: string[];
  models: string[];
  has_balance: boolean;
  options: Option[];
};

export type Times = Record<'connect_s' | 'first_byte_s' | 'idle_s' | 'total_s' | 'hedge_s', number | null>;
export type Channel = {
  id: number;
  type: string;
  name: string;
  base_url: string;
  keys: string[];
  models: string[];
  mapping: Record<string, string>;
  priority: number;
  weight: number;
  ratio: string;
  groups: string[];
  status: string;
  proxy: string;
  options: Record<string, string>;
  secret_options: string[];
  times: Times;
  created_at: number;
  problem: string | null;
  health: Health;
  balance: Holding | null;
};

export type Holding = { at: number; amounts: { currency: string; amount: string; micros: number }[] };

export type Health = {
  state: 'open' | 'resting' | 'key_refused' | 'unusable' | 'disabled';
  reason: string | null;
  for_s: number | null;
  busy: number;
  first_byte_ms: number | null;
  rests: { model: string | null; key: string | null; reason: string; for_s: number }[];
  refused: { key: string; kind: string; reason: string; at: number }[];
};

export type Trial = {
  channel_id: number;
  name: string;
  model: string;
  endpoint: string;
  key: string;
  ok: boolean;
  status: number | null;
  ms: number;
  error: string | null;
  done: number;
  total: number;
};

export type Fetched = { models: { name: string; offered_as: string | null }[]; missing: string[] };

export type Offer = {
  channel_id: number;
  name: string;
  status: string;
  upstream_model: string;
  price: Record<string, string> | null;
  source: string | null;
};
export type Model = { model: string; channels: Offer[]; mode: string | null; fallbacks: string[]; priced: boolean };

export type Route = {
  group: string;
  mode: string;
  problem: string | null;
  channels: {
    place: number | null;
    channel_id: number;
    name: string;
    model: string;
    upstream_model: string;
    reason: string;
  }[];
};

export type Token = {
  id: number;
  user_id: number;
  name: string;
  key: string;
  status: string;
  created_at: number;
  expires_at: number | null;
  models: string[];
  subnets: string[];
  balance: Balance;
};

export type User = {
  id: number;
  name: string;
  role: Role;
  group: string;
  status: string;
  created_at: number;
  has_password: boolean;
  balance: Balance;
};

export type Group = { name: string; ratio: string; users: number; channels: number };

export type Code = {
  id: number;
  name: string;
  quota: number;
  status: string;
  created_at: number;
  expires_at: number | null;
  redeemed_at: number | null;
  redeemed_by: number | null;
};

export type Price = {
  model: string;
  channel_id: number | null;
  price: Record<string, string> | null;
  context: number;
  output: number;
  source: string | null;
};

export type Limit = {
  subject: string;
  requests_per_minute: number;
  tokens_per_minute: number;
  concurrent: number;
  day_budget: number;
  month_budget: number;
};

export type LogRow = {
  request_id: string;
  at_ms: number;
  user_id: number;
  token_id: number;
  group: string;
  channel_id: number | null;
  endpoint: string;
  model: string;
  upstream_model: string;
  stream: boolean;
  status: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  cost: number;
  charged: number;
  first_byte_ms: number | null;
  total_ms: number;
  attempts: number;
  address: string;
  error_type: string;
  problem: string | null;
};

export type LogDetail = LogRow & {
  queue_ms: number;
  usage: Record<string, number>;
  usage_source: string;
  price: string;
  group_ratio: string;
  channel_ratio: string;
  charges: { account: string; quota: number }[];
  answered_by: string;
  flags: string[];
  explanation: string[];
  tries: { channel_id: number; outcome: string; ms: number; cost: number }[];
  bodies: { asked: string; asked_cut: boolean; answered: string; answered_cut: boolean } | null;
};

export type Sum = {
  starts_at: number | null;
  user_id: number | null;
  token_id: number | null;
  channel_id: number | null;
  model: string | null;
  requests: number;
  failures: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  cost: number;
  charged: number;
  first_bytes: number;
  first_byte_ms: number;
  total_ms: number;
};

export type Act = {
  id: number;
  at: number;
  actor: string;
  act: string;
  subject: string;
  address: string;
  detail: Record<string, unknown>;
};
