// What the admin API takes and answers. Made by `make references` from the program; not to be edited.

export type Page<T> = { data: T[]; next: string | null };

export type Failed = {
  error: Problem;
};

export type Problem = {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
};

export type SetupState = {
  awaiting: boolean;
};

export type Setup = {
  secret: string;
  password: string;
};

export type Login = {
  name: string;
  password: string;
};

export type Me = {
  id: number | null;
  name: string;
  role: string;
  group: string | null;
  balance: Balance | null;
};

export type Balance = {
  remaining: number | null;
  used: number;
};

export type NewPassword = {
  old: string;
  new: string;
};

export type AccessToken = {
  access_token: string;
};

export type Redemption = {
  code: string;
};

export type Redeemed = {
  quota: number;
  balance: Balance;
};

export type SignUpState = {
  sign_up: "closed" | "invited" | "open";
};

export type NewAccount = {
  name: string;
  password: string;
  invitation?: string;
};

export type InvitationShown = {
  code: string;
  invited: number;
  inviter: number;
  sign_up: "closed" | "invited" | "open";
};

export type SessionShown = {
  id: string;
  created_at: number;
  expires_at: number;
  is_this: boolean;
};

export type AdapterShown = {
  name: string;
  title: string;
  base_url: string;
  key_help: string;
  endpoints: string[];
  models: string[];
  has_balance: boolean;
  options: OptionShown[];
};

export type OptionShown = {
  name: string;
  label: string;
  default: string;
  secret: boolean;
  help: string;
  choices: string[];
};

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
  times: TimesShown;
  created_at: number;
  problem: string | null;
  health: ChannelHealth;
  balance: Holding | null;
};

export type TimesShown = {
  connect_s: number | null;
  first_byte_s: number | null;
  idle_s: number | null;
  total_s: number | null;
  hedge_s: number | null;
};

export type ChannelHealth = {
  state: "disabled" | "key_refused" | "open" | "resting" | "unusable";
  reason: string | null;
  for_s: number | null;
  busy: number;
  first_byte_ms: number | null;
  rests: Rest[];
  refused: RefusedKey[];
};

export type Rest = {
  model: string | null;
  key: string | null;
  reason: string;
  for_s: number;
};

export type RefusedKey = {
  key: string;
  kind: string;
  reason: string;
  at: number;
};

export type Holding = {
  at: number;
  amounts: Amount[];
};

export type Amount = {
  currency: string;
  amount: string;
  micros: number;
};

export type NewChannel = {
  type: string;
  name: string;
  base_url?: string;
  key?: string;
  models: string[];
  mapping?: Record<string, string>;
  priority?: number;
  weight?: number;
  ratio?: string;
  groups?: string[];
  status?: "disabled" | "enabled";
  proxy?: string;
  options?: Record<string, string | null>;
  times?: Limits;
};

export type Limits = {
  connect_s?: number | null;
  first_byte_s?: number | null;
  idle_s?: number | null;
  total_s?: number | null;
  hedge_s?: number | null;
};

export type ChannelChange = {
  type?: string;
  name?: string;
  base_url?: string;
  key?: string;
  models?: string[];
  mapping?: Record<string, string>;
  priority?: number;
  weight?: number;
  ratio?: string;
  groups?: string[];
  status?: "disabled" | "enabled";
  proxy?: string;
  options?: Record<string, string | null>;
  times?: Limits;
};

export type Confirmed = {
  password: string;
};

export type Revealed = {
  keys: string[];
};

export type Trial = {
  models?: string[] | null;
  all_models?: boolean;
  endpoint?: "audio/speech" | "chat/completions" | "embeddings" | "images/generations" | "rerank" | null;
};

export type TrialShown = {
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

export type Trials = {
  models?: string[] | null;
  all_models?: boolean;
  endpoint?: "audio/speech" | "chat/completions" | "embeddings" | "images/generations" | "rerank" | null;
  channels?: number[] | null;
};

export type Fetched = {
  models: Listed[];
  missing: string[];
};

export type Listed = {
  name: string;
  offered_as: string | null;
};

export type ModelShown = {
  model: string;
  channels: OfferShown[];
  mode: string | null;
  fallbacks: string[];
  priced: boolean;
};

export type OfferShown = {
  channel_id: number;
  name: string;
  status: string;
  upstream_model: string;
  price: Record<string, string> | null;
  source: string | null;
};

export type RouteGiven = {
  mode?: "cheapest" | "latency" | "least_busy" | "priority" | "sticky" | "weight" | null;
  fallbacks?: string[];
};

export type RouteShown = {
  group: string;
  mode: string;
  problem: string | null;
  channels: RouteLine[];
};

export type RouteLine = {
  place: number | null;
  channel_id: number;
  name: string;
  model: string;
  upstream_model: string;
  reason: string;
};

export type TokenShown = {
  id: number;
  user_id: number;
  name: string;
  key: string;
  status: string;
  created_at: number;
  expires_at: number | null;
  models: string[];
  subnets: string[];
  priority: number;
  balance: Balance;
};

export type NewToken = {
  name: string;
  status?: "disabled" | "enabled";
  expires_at?: number | null;
  models?: string[];
  subnets?: string[];
  quota?: number | null;
  priority?: number;
  user_id?: number | null;
};

export type MadeToken = {
  key: string;
  token: TokenShown;
};

export type TokenChange = {
  name?: string;
  status?: "disabled" | "enabled";
  expires_at?: number | null;
  models?: string[];
  subnets?: string[];
  quota?: number | null;
  priority?: number;
};

export type UserShown = {
  id: number;
  name: string;
  role: string;
  group: string;
  status: string;
  created_at: number;
  has_password: boolean;
  balance: Balance;
};

export type NewUser = {
  name: string;
  password?: string | null;
  role?: "admin" | "root" | "user";
  group?: string;
  quota?: number | null;
  invited_by?: string;
};

export type UserChange = {
  role?: "admin" | "root" | "user";
  group?: string;
  status?: "disabled" | "enabled";
  quota?: number | null;
};

export type Password = {
  password: string;
};

export type TopUp = {
  amount: number;
  note?: string;
};

export type CreditShown = {
  id: number;
  at: number;
  kind: string;
  amount: number;
  note: string;
  actor: string;
};

export type GroupShown = {
  name: string;
  ratio: string;
  users: number;
  channels: number;
};

export type Ratio = {
  ratio: string;
};

export type CodeShown = {
  id: number;
  name: string;
  quota: number;
  status: string;
  created_at: number;
  expires_at: number | null;
  redeemed_at: number | null;
  redeemed_by: number | null;
};

export type NewCodes = {
  quota: number;
  count?: number;
  name?: string;
  expires_at?: number | null;
};

export type MadeCodes = {
  codes: string[];
};

export type CodeChange = {
  status: "disabled";
};

export type PriceShown = {
  model: string;
  channel_id: number | null;
  price: Record<string, string> | null;
  context: number;
  output: number;
  source: string | null;
};

export type NewPrice = {
  prompt?: string | null;
  completion?: string | null;
  cached?: string | null;
  cache_write?: string | null;
  reasoning?: string | null;
  audio_prompt?: string | null;
  audio_completion?: string | null;
  image_prompt?: string | null;
  image_completion?: string | null;
  call?: string | null;
  second?: string | null;
  image?: string | null;
  character?: string | null;
  context?: number | null;
  output?: number | null;
};

export type LimitShown = {
  subject: string;
  requests_per_minute: number;
  tokens_per_minute: number;
  concurrent: number;
  day_budget: number;
  month_budget: number;
};

export type LimitGiven = {
  requests_per_minute?: number;
  tokens_per_minute?: number;
  concurrent?: number;
  day_budget?: number;
  month_budget?: number;
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

export type LogDetail = {
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
  queue_ms: number;
  usage: Record<string, number>;
  usage_source: string;
  price: string;
  group_ratio: string;
  channel_ratio: string;
  charges: ChargeShown[];
  answered_by: string;
  flags: string[];
  explanation: string[];
  tries: TryShown[];
  bodies: Bodies | null;
};

export type ChargeShown = {
  account: string;
  quota: number;
};

export type TryShown = {
  channel_id: number;
  outcome: string;
  ms: number;
  cost: number;
};

export type Bodies = {
  asked: string;
  asked_cut: boolean;
  answered: string;
  answered_cut: boolean;
};

export type TailRow = {
  request_id: string;
  at_ms: number;
  user_id: number | null;
  token_id: number | null;
  channel_id: number | null;
  endpoint: string;
  model: string;
  stream: boolean;
  status: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  cost: number;
  first_byte_ms: number | null;
  total_ms: number;
  attempts: number;
  error_type: string;
  problem: string | null;
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
  cache_write_tokens: number | null;
  reasoning_tokens: number | null;
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

export type EventShown = {
  id: number;
  at: number;
  kind: string;
  subject: string;
  detail: Record<string, unknown>;
};

export type PluginShown = {
  name: string;
  state: "failed" | "off" | "on";
  source: string;
  version: string;
  hooks: string[];
  adapters: string[];
  reason: string | null;
};

export type MoneyShown = {
  currency: string;
  per_dollar: string;
  quota_per_dollar: number;
};

export type About = {
  version: string;
  plugin_api: string;
  python: string;
  started_at: number;
  uptime_s: number;
  database: string;
  generation: number;
  instances: Instance[];
};

export type Instance = {
  id: string;
  generation: number;
  seen_at: number;
  is_this: boolean;
};

export type OptionInForce = {
  section: string;
  name: string;
  value: unknown;
  default: unknown;
  secret: boolean;
  changed: boolean;
  kind: "choice" | "number" | "switch" | "tables" | "text" | "texts" | "whole";
  choices: string[];
  help: string;
  source: "console" | "default" | "environment" | "file";
  fixed: "environment" | "guard" | "secret" | "start" | null;
  restart: boolean;
  waiting: boolean;
  next: unknown;
};

export type NewValue = {
  value: string | number | boolean;
};

export type Import = {
  kind: "aiproxy" | "newapi" | "oneapi";
  dsn: string;
  dry_run?: boolean;
  logs?: boolean;
};

export type ImportLine = {
  what: string;
  done: number;
  total: number;
  report: ImportReport | null;
};

export type ImportReport = {
  source: string;
  dry_run: boolean;
  counts: Counted[];
  items: Brought[];
  left_out: Left[];
  log_rows: number;
  logs_brought: number | null;
};

export type Counted = {
  kind: string;
  new: number;
  joined: number;
  there: number;
  left_out: number;
};

export type Brought = {
  kind: string;
  source_id: string;
  name: string;
  becomes: string;
  fate: string;
  our_id: number;
};

export type Left = {
  kind: string;
  what: string;
  why: string;
};

export type BackupExtent = {
  database: number;
  journals: number;
  has_key: boolean;
  needed: number;
  free: number;
  problem: string | null;
};
