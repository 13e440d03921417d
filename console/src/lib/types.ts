// The shapes of the admin API by the names that the console has for them. openapi.ts is made from the program.

import type * as api from './openapi';

export type {
  About, Act, BackupExtent, Balance, Counted, Fetched, Holding, ImportLine, ImportReport, LogDetail, LogRow, Page, Sum,
} from './openapi';

export type Role = 'user' | 'admin' | 'root';
export type Me = Omit<api.Me, 'role'> & { role: Role };
export type User = Omit<api.UserShown, 'role'> & { role: Role };

export type Adapter = api.AdapterShown;
export type Channel = api.Channel;
export type Code = api.CodeShown;
export type Credit = api.CreditShown;
export type Event = api.EventShown;
export type Group = api.GroupShown;
export type Health = api.ChannelHealth;
export type Invitation = api.InvitationShown;
export type Limit = api.LimitShown;
export type Model = api.ModelShown;
export type Offer = api.OfferShown;
export type Option = api.OptionShown;
export type Plugin = api.PluginShown;
export type Price = api.PriceShown;
export type Route = api.RouteShown;
export type Session = api.SessionShown;
export type Setting = api.OptionInForce;
export type Times = api.TimesShown;
export type Token = api.TokenShown;
export type Trial = api.TrialShown;
