/** Events of the notification types. Written by `tocsin types generate typescript`: do not edit. */
import { Event, type EventFields, type EventType } from "@tocsin/client";

/** Data of `subscription_renewal_soon`. */
export interface SubscriptionRenewalSoonData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it renews */
  renews_at?: Date | string | null;
  /** the price, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Subscription renews soon
 *
 * A subscription will renew automatically soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionRenewalSoon extends Event<SubscriptionRenewalSoonData> {
  static override readonly declared: EventType = {
    name: "subscription_renewal_soon",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "renews_at", type: "datetime", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionRenewalSoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `out_of_money_soon`. */
export interface OutOfMoneySoonData {
  /** what is left, in `currency` */
  balance?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
  /** when the balance is used up at the present rate */
  runs_out_at?: Date | string | null;
}

/**
 * Balance running low
 *
 * The balance will be used up soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class OutOfMoneySoon extends Event<OutOfMoneySoonData> {
  static override readonly declared: EventType = {
    name: "out_of_money_soon",
    needs: ["account"],
    fields: [
      { name: "balance", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "runs_out_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<OutOfMoneySoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_expire_soon`. */
export interface SubscriptionExpireSoonData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it ends */
  expires_at?: Date | string | null;
}

/**
 * Subscription expires soon
 *
 * A subscription will expire soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionExpireSoon extends Event<SubscriptionExpireSoonData> {
  static override readonly declared: EventType = {
    name: "subscription_expire_soon",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "expires_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionExpireSoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_renewal_success`. */
export interface SubscriptionRenewalSuccessData {
  /** what is subscribed to */
  subscription?: string | null;
  /** until when it is valid now */
  renewed_until?: Date | string | null;
  /** the price, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Subscription renewed
 *
 * A subscription has been renewed
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionRenewalSuccess extends Event<SubscriptionRenewalSuccessData> {
  static override readonly declared: EventType = {
    name: "subscription_renewal_success",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "renewed_until", type: "datetime", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionRenewalSuccessData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `reset_password`. */
export interface ResetPasswordData {
  /** the secret part of the link, good once */
  token?: string | null;
  /** until when the link works */
  expires_at?: Date | string | null;
}

/**
 * Password reset
 *
 * A password reset was requested
 *
 * Notifies the contacts of `account`, by email.
 */
export class ResetPassword extends Event<ResetPasswordData> {
  static override readonly declared: EventType = {
    name: "reset_password",
    needs: ["account"],
    fields: [
      { name: "token", type: "string", required: false },
      { name: "expires_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<ResetPasswordData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `trial_expire`. */
export interface TrialExpireData {
  /** when the trial ended */
  expired_at?: Date | string | null;
  /** until when the data is kept */
  deletes_at?: Date | string | null;
}

/**
 * Trial ended
 *
 * The trial has ended
 *
 * Notifies the contacts of `account`, by email.
 */
export class TrialExpire extends Event<TrialExpireData> {
  static override readonly declared: EventType = {
    name: "trial_expire",
    needs: ["account"],
    fields: [
      { name: "expired_at", type: "datetime", required: false },
      { name: "deletes_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<TrialExpireData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `drives_delete_soon`. */
export interface DrivesDeleteSoonData {
  /** how many drives */
  drive_count?: number | null;
  /** when the deletion takes place */
  deletes_at?: Date | string | null;
}

/**
 * Drives will be deleted soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class DrivesDeleteSoon extends Event<DrivesDeleteSoonData> {
  static override readonly declared: EventType = {
    name: "drives_delete_soon",
    needs: ["account"],
    fields: [
      { name: "drive_count", type: "integer", required: false },
      { name: "deletes_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<DrivesDeleteSoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_expire`. */
export interface SubscriptionExpireData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it ended */
  expired_at?: Date | string | null;
}

/**
 * Subscription expired
 *
 * A subscription has expired
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionExpire extends Event<SubscriptionExpireData> {
  static override readonly declared: EventType = {
    name: "subscription_expire",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "expired_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionExpireData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `new_account`. */
export interface NewAccountData {
  /** the name to sign in with */
  login?: string | null;
  /** when the trial ends */
  trial_ends_at?: Date | string | null;
}

/**
 * Account created
 *
 * An account has been created
 *
 * Notifies the contacts of `account`, by email.
 */
export class NewAccount extends Event<NewAccountData> {
  static override readonly declared: EventType = {
    name: "new_account",
    needs: ["account"],
    fields: [
      { name: "login", type: "string", required: false },
      { name: "trial_ends_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<NewAccountData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `payment_withheld`. */
export interface PaymentWithheldData {
  /** the payment's number */
  payment_id?: string | null;
  /** what was to be paid, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Payment withheld
 *
 * A payment is withheld for review
 *
 * Notifies the contacts of `account`, by inbox.
 */
export class PaymentWithheld extends Event<PaymentWithheldData> {
  static override readonly declared: EventType = {
    name: "payment_withheld",
    needs: ["account"],
    fields: [
      { name: "payment_id", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<PaymentWithheldData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `random_upgrade`. */
export interface RandomUpgradeData {
  /** what is better now */
  upgrade?: string | null;
  /** when the upgrade ends */
  ends_at?: Date | string | null;
}

/**
 * Account upgraded
 *
 * The account was picked at random for an upgrade
 *
 * Notifies the contacts of `account`, by email.
 */
export class RandomUpgrade extends Event<RandomUpgradeData> {
  static override readonly declared: EventType = {
    name: "random_upgrade",
    needs: ["account"],
    fields: [
      { name: "upgrade", type: "string", required: false },
      { name: "ends_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<RandomUpgradeData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_renew_soon`. */
export interface SubscriptionRenewSoonData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it ends */
  expires_at?: Date | string | null;
  /** the price, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Time to renew the subscription
 *
 * A subscription should be renewed soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionRenewSoon extends Event<SubscriptionRenewSoonData> {
  static override readonly declared: EventType = {
    name: "subscription_renew_soon",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "expires_at", type: "datetime", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionRenewSoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `drives_delete`. */
export interface DrivesDeleteData {
  /** how many drives */
  drive_count?: number | null;
  /** when the deletion took place */
  deleted_at?: Date | string | null;
}

/**
 * Drives deleted
 *
 * Drives have been deleted
 *
 * Notifies the contacts of `account`, by email.
 */
export class DrivesDelete extends Event<DrivesDeleteData> {
  static override readonly declared: EventType = {
    name: "drives_delete",
    needs: ["account"],
    fields: [
      { name: "drive_count", type: "integer", required: false },
      { name: "deleted_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<DrivesDeleteData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_renewal_failure`. */
export interface SubscriptionRenewalFailureData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it ends */
  expires_at?: Date | string | null;
  /** the price, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
  /** why, in a few words without a full stop */
  reason?: string | null;
}

/**
 * Subscription renewal failed
 *
 * A subscription could not be renewed
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionRenewalFailure extends Event<SubscriptionRenewalFailureData> {
  static override readonly declared: EventType = {
    name: "subscription_renewal_failure",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "expires_at", type: "datetime", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "reason", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionRenewalFailureData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `stop_servers`. */
export interface StopServersData {
  /** how many servers */
  server_count?: number | null;
  /** when they were stopped */
  stopped_at?: Date | string | null;
  /** why, in a few words without a full stop */
  reason?: string | null;
}

/**
 * Servers stopped
 *
 * Servers have been stopped
 *
 * Notifies the contacts of `account`, by email.
 */
export class StopServers extends Event<StopServersData> {
  static override readonly declared: EventType = {
    name: "stop_servers",
    needs: ["account"],
    fields: [
      { name: "server_count", type: "integer", required: false },
      { name: "stopped_at", type: "datetime", required: false },
      { name: "reason", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<StopServersData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `payment_approved`. */
export interface PaymentApprovedData {
  /** the payment's number */
  payment_id?: string | null;
  /** what was paid, in `currency` */
  amount?: number | null;
  /** what it is now, in `currency` */
  balance?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Payment approved
 *
 * A payment has been approved
 *
 * Notifies the contacts of `account`, by inbox.
 */
export class PaymentApproved extends Event<PaymentApprovedData> {
  static override readonly declared: EventType = {
    name: "payment_approved",
    needs: ["account"],
    fields: [
      { name: "payment_id", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "balance", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<PaymentApprovedData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_renewal_very_soon`. */
export interface SubscriptionRenewalVerySoonData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it renews */
  renews_at?: Date | string | null;
  /** the price, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Subscription renews very soon
 *
 * A subscription will renew automatically very soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionRenewalVerySoon extends Event<SubscriptionRenewalVerySoonData> {
  static override readonly declared: EventType = {
    name: "subscription_renewal_very_soon",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "renews_at", type: "datetime", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionRenewalVerySoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `subscription_expire_very_soon`. */
export interface SubscriptionExpireVerySoonData {
  /** what is subscribed to */
  subscription?: string | null;
  /** when it ends */
  expires_at?: Date | string | null;
}

/**
 * Subscription expires very soon
 *
 * A subscription will expire very soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class SubscriptionExpireVerySoon extends Event<SubscriptionExpireVerySoonData> {
  static override readonly declared: EventType = {
    name: "subscription_expire_very_soon",
    needs: ["account"],
    fields: [
      { name: "subscription", type: "string", required: false },
      { name: "expires_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<SubscriptionExpireVerySoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `payment_failed`. */
export interface PaymentFailedData {
  /** the payment's number */
  payment_id?: string | null;
  /** what was to be paid, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
  /** why, in a few words without a full stop */
  reason?: string | null;
}

/**
 * Payment failed
 *
 * A payment has failed
 *
 * Notifies the contacts of `account`, by email.
 */
export class PaymentFailed extends Event<PaymentFailedData> {
  static override readonly declared: EventType = {
    name: "payment_failed",
    needs: ["account"],
    fields: [
      { name: "payment_id", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "reason", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<PaymentFailedData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `out_of_money_very_soon`. */
export interface OutOfMoneyVerySoonData {
  /** what is left, in `currency` */
  balance?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
  /** when the balance is used up at the present rate */
  runs_out_at?: Date | string | null;
}

/**
 * Balance almost used up
 *
 * The balance will be used up very soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class OutOfMoneyVerySoon extends Event<OutOfMoneyVerySoonData> {
  static override readonly declared: EventType = {
    name: "out_of_money_very_soon",
    needs: ["account"],
    fields: [
      { name: "balance", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "runs_out_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<OutOfMoneyVerySoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `payment`. */
export interface PaymentData {
  /** the payment's number */
  payment_id?: string | null;
  /** what was paid, in `currency` */
  amount?: number | null;
  /** what it is now, in `currency` */
  balance?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
}

/**
 * Payment received
 *
 * A payment has been received
 *
 * Notifies the contacts of `account`, by email.
 */
export class Payment extends Event<PaymentData> {
  static override readonly declared: EventType = {
    name: "payment",
    needs: ["account"],
    fields: [
      { name: "payment_id", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "balance", type: "number", required: false },
      { name: "currency", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<PaymentData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `payment_cancelled`. */
export interface PaymentCancelledData {
  /** the payment's number */
  payment_id?: string | null;
  /** what was to be paid, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of the money fields */
  currency?: string | null;
  /** why, in a few words without a full stop */
  reason?: string | null;
}

/**
 * Payment cancelled
 *
 * A payment has been cancelled
 *
 * Notifies the contacts of `account`, by inbox.
 */
export class PaymentCancelled extends Event<PaymentCancelledData> {
  static override readonly declared: EventType = {
    name: "payment_cancelled",
    needs: ["account"],
    fields: [
      { name: "payment_id", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "reason", type: "string", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<PaymentCancelledData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `trial_expire_soon`. */
export interface TrialExpireSoonData {
  /** when the trial ends */
  expires_at?: Date | string | null;
}

/**
 * Trial ends soon
 *
 * The trial will end soon
 *
 * Notifies the contacts of `account`, by email.
 */
export class TrialExpireSoon extends Event<TrialExpireSoonData> {
  static override readonly declared: EventType = {
    name: "trial_expire_soon",
    needs: ["account"],
    fields: [
      { name: "expires_at", type: "datetime", required: false },
    ],
  };
  declare readonly account: string;

  constructor(fields: EventFields<TrialExpireSoonData> & { readonly account: string }) {
    super(fields);
  }
}

/** Data of `registered_finishing_in_3h`. */
export interface RegisteredFinishingIn3hData {}

/**
 * Registered auction ends in 3 hours
 *
 * Auction in tab registered auctions is finishing in 3 hours
 *
 * Notifies `recipients`, by email and inbox.
 */
export class RegisteredFinishingIn3h extends Event<RegisteredFinishingIn3hData> {
  static override readonly declared: EventType = {
    name: "registered_finishing_in_3h",
    needs: ["recipients"],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<RegisteredFinishingIn3hData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `watchlist_direct_sale_finishing_in_3h`. */
export interface WatchlistDirectSaleFinishingIn3hData {}

/**
 * Watched direct sale ends in 3 hours
 *
 * Direct Sale from watchlist is finishing in 3 hours
 *
 * Notifies `recipients`, by email and inbox.
 */
export class WatchlistDirectSaleFinishingIn3h extends Event<WatchlistDirectSaleFinishingIn3hData> {
  static override readonly declared: EventType = {
    name: "watchlist_direct_sale_finishing_in_3h",
    needs: ["recipients"],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<WatchlistDirectSaleFinishingIn3hData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `watchlist_auction_finishing_in_3h`. */
export interface WatchlistAuctionFinishingIn3hData {}

/**
 * Watched auction ends in 3 hours
 *
 * Auction from watchlist is finishing in 3 hours
 *
 * Notifies `recipients`, by email and inbox.
 */
export class WatchlistAuctionFinishingIn3h extends Event<WatchlistAuctionFinishingIn3hData> {
  static override readonly declared: EventType = {
    name: "watchlist_auction_finishing_in_3h",
    needs: ["recipients"],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<WatchlistAuctionFinishingIn3hData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `deposit_pending`. */
export interface DepositPendingData {}

/**
 * Deposit pending
 *
 * Notifies `recipients`, by email and inbox.
 */
export class DepositPending extends Event<DepositPendingData> {
  static override readonly declared: EventType = {
    name: "deposit_pending",
    needs: ["recipients"],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<DepositPendingData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `deposit_received`. */
export interface DepositReceivedData {
  /** the lot */
  lot_id: string;
}

/**
 * Deposit received
 *
 * Notifies `recipients`, by email and inbox.
 */
export class DepositReceived extends Event<DepositReceivedData> {
  static override readonly declared: EventType = {
    name: "deposit_received",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<DepositReceivedData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `overbid`. */
export interface OverbidData {
  /** the lot */
  lot_id: string;
}

/**
 * New high bidder
 *
 * Notifies `recipients`, and every recipient with the role admin, by email and inbox.
 */
export class Overbid extends Event<OverbidData> {
  static override readonly declared: EventType = {
    name: "overbid",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
    supersede: "{lot_id}",
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<OverbidData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `winner`. */
export interface WinnerData {
  /** the lot */
  lot_id: string;
}

/**
 * Lot won
 *
 * User won a lot
 *
 * Notifies `recipients`, by email and inbox.
 */
export class Winner extends Event<WinnerData> {
  static override readonly declared: EventType = {
    name: "winner",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<WinnerData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `invoice_attached`. */
export interface InvoiceAttachedData {
  /** the lot */
  lot_id: string;
  /** document id of the invoice */
  invoice_id: string;
}

/**
 * Invoice attached
 *
 * Seller attached invoice
 *
 * Notifies `recipients`, by email and inbox.
 */
export class InvoiceAttached extends Event<InvoiceAttachedData> {
  static override readonly declared: EventType = {
    name: "invoice_attached",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
      { name: "invoice_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<InvoiceAttachedData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `inspection_report_for_registered_auction`. */
export interface InspectionReportForRegisteredAuctionData {
  /** the request */
  request_id: string;
}

/**
 * Inspection report for a registered auction
 *
 * Inspection report for a lot from registered auctions was received
 *
 * Notifies `recipients`, by email and inbox.
 */
export class InspectionReportForRegisteredAuction extends Event<InspectionReportForRegisteredAuctionData> {
  static override readonly declared: EventType = {
    name: "inspection_report_for_registered_auction",
    needs: ["recipients"],
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<InspectionReportForRegisteredAuctionData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `inspection_report_for_watchlist_direct_sale`. */
export interface InspectionReportForWatchlistDirectSaleData {
  /** the request */
  request_id: string;
}

/**
 * Inspection report for a watched direct sale
 *
 * Inspection report for a direct sale from watchlist
 *
 * Notifies `recipients`, by email and inbox.
 */
export class InspectionReportForWatchlistDirectSale extends Event<InspectionReportForWatchlistDirectSaleData> {
  static override readonly declared: EventType = {
    name: "inspection_report_for_watchlist_direct_sale",
    needs: ["recipients"],
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<InspectionReportForWatchlistDirectSaleData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `inspection_report_for_watchlist_auction`. */
export interface InspectionReportForWatchlistAuctionData {
  /** the request */
  request_id: string;
}

/**
 * Inspection report for a watched auction
 *
 * Inspection report for an auction from watchlist
 *
 * Notifies `recipients`, by email and inbox.
 */
export class InspectionReportForWatchlistAuction extends Event<InspectionReportForWatchlistAuctionData> {
  static override readonly declared: EventType = {
    name: "inspection_report_for_watchlist_auction",
    needs: ["recipients"],
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<InspectionReportForWatchlistAuctionData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `carfax_report_for_registered`. */
export interface CarfaxReportForRegisteredData {
  /** the request */
  request_id: string;
}

/**
 * Carfax report for a registered auction
 *
 * Carfax report for a lot from registered auction
 *
 * Notifies `recipients`, by email and inbox.
 */
export class CarfaxReportForRegistered extends Event<CarfaxReportForRegisteredData> {
  static override readonly declared: EventType = {
    name: "carfax_report_for_registered",
    needs: ["recipients"],
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<CarfaxReportForRegisteredData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `carfax_report_for_watchlist_direct_sale`. */
export interface CarfaxReportForWatchlistDirectSaleData {
  /** the request */
  request_id: string;
}

/**
 * Carfax report for a watched direct sale
 *
 * Carfax report for a direct sale from watchlist
 *
 * Notifies `recipients`, by email and inbox.
 */
export class CarfaxReportForWatchlistDirectSale extends Event<CarfaxReportForWatchlistDirectSaleData> {
  static override readonly declared: EventType = {
    name: "carfax_report_for_watchlist_direct_sale",
    needs: ["recipients"],
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<CarfaxReportForWatchlistDirectSaleData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `carfax_report_for_watchlist_auction`. */
export interface CarfaxReportForWatchlistAuctionData {
  /** the request */
  request_id: string;
}

/**
 * Carfax report for a watched auction
 *
 * Carfax report for an auction from watchlist
 *
 * Notifies `recipients`, by email and inbox.
 */
export class CarfaxReportForWatchlistAuction extends Event<CarfaxReportForWatchlistAuctionData> {
  static override readonly declared: EventType = {
    name: "carfax_report_for_watchlist_auction",
    needs: ["recipients"],
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(
    fields: EventFields<CarfaxReportForWatchlistAuctionData> & { readonly recipients: readonly string[] },
  ) {
    super(fields);
  }
}

/** Data of `direct_sale_approved`. */
export interface DirectSaleApprovedData {
  /** the lot */
  lot_id: string;
}

/**
 * Direct sale request approved
 *
 * Direct sale request was approved
 *
 * Notifies `recipients`, by email and inbox.
 */
export class DirectSaleApproved extends Event<DirectSaleApprovedData> {
  static override readonly declared: EventType = {
    name: "direct_sale_approved",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<DirectSaleApprovedData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `direct_sale_rejected`. */
export interface DirectSaleRejectedData {
  /** the lot */
  lot_id?: string | null;
}

/**
 * Direct sale request rejected
 *
 * Direct sale request was rejected
 *
 * Notifies `recipients`, by email and inbox.
 */
export class DirectSaleRejected extends Event<DirectSaleRejectedData> {
  static override readonly declared: EventType = {
    name: "direct_sale_rejected",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: false },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<DirectSaleRejectedData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `message_from_buyer`. */
export interface MessageFromBuyerData {
  /** the lot */
  lot_id: string;
  /** the potential buyer */
  sender_id: string;
  /** the seller, who is notified */
  receiver_id: string;
  /** the name of the potential buyer */
  sender_name?: string | null;
}

/**
 * Message from a potential buyer
 *
 * Message from potential buyer of my direct sale lot
 *
 * Notifies `recipients`, and the recipient in `receiver_id` of the data, and every recipient
 * with the role admin, by email and inbox.
 */
export class MessageFromBuyer extends Event<MessageFromBuyerData> {
  static override readonly declared: EventType = {
    name: "message_from_buyer",
    needs: ["recipients"],
    recipientFields: ["receiver_id"],
    fields: [
      { name: "lot_id", type: "string", required: true },
      { name: "sender_id", type: "string", required: true },
      { name: "receiver_id", type: "string", required: true },
      { name: "sender_name", type: "string", required: false },
    ],
  };

  constructor(
    fields: EventFields<MessageFromBuyerData> & { readonly recipients?: readonly string[] | undefined },
  ) {
    super(fields);
  }
}

/** Data of `message_from_seller`. */
export interface MessageFromSellerData {
  /** the lot */
  lot_id: string;
  /** the seller */
  sender_id: string;
  /** the potential buyer, who is notified */
  receiver_id: string;
  /** the name of the seller */
  sender_name?: string | null;
}

/**
 * Message from the seller
 *
 * Message from the seller of the lot I want to buy
 *
 * Notifies `recipients`, and the recipient in `receiver_id` of the data, by email and inbox.
 */
export class MessageFromSeller extends Event<MessageFromSellerData> {
  static override readonly declared: EventType = {
    name: "message_from_seller",
    needs: ["recipients"],
    recipientFields: ["receiver_id"],
    fields: [
      { name: "lot_id", type: "string", required: true },
      { name: "sender_id", type: "string", required: true },
      { name: "receiver_id", type: "string", required: true },
      { name: "sender_name", type: "string", required: false },
    ],
  };

  constructor(
    fields: EventFields<MessageFromSellerData> & { readonly recipients?: readonly string[] | undefined },
  ) {
    super(fields);
  }
}

/** Data of `callback_requested`. */
export interface CallbackRequestedData {
  /** the lot */
  lot_id: string;
  /** the account to be called back */
  account_id: string;
  /** the name of the person to be called back */
  account_name?: string | null;
}

/**
 * Callback requested
 *
 * User has requested a callback
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class CallbackRequested extends Event<CallbackRequestedData> {
  static override readonly declared: EventType = {
    name: "callback_requested",
    fields: [
      { name: "lot_id", type: "string", required: true },
      { name: "account_id", type: "string", required: true },
      { name: "account_name", type: "string", required: false },
    ],
  };

  constructor(fields: EventFields<CallbackRequestedData>) {
    super(fields);
  }
}

/** Data of `new_active_trade`. */
export interface NewActiveTradeData {
  /** the lot */
  lot_id: string;
  /** the account that registered */
  account_id: string;
  /** the name of the person or company that registered */
  account_name?: string | null;
}

/**
 * New active trade
 *
 * User has registered on a lot (or requested buy now) and paid deposit
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class NewActiveTrade extends Event<NewActiveTradeData> {
  static override readonly declared: EventType = {
    name: "new_active_trade",
    fields: [
      { name: "lot_id", type: "string", required: true },
      { name: "account_id", type: "string", required: true },
      { name: "account_name", type: "string", required: false },
    ],
  };

  constructor(fields: EventFields<NewActiveTradeData>) {
    super(fields);
  }
}

/** Data of `new_upload`. */
export interface NewUploadData {
  /** the lot creation request */
  request_id: string;
}

/**
 * New lot creation request
 *
 * User hase made a lot creation request
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class NewUpload extends Event<NewUploadData> {
  static override readonly declared: EventType = {
    name: "new_upload",
    fields: [
      { name: "request_id", type: "string", required: true },
    ],
  };

  constructor(fields: EventFields<NewUploadData>) {
    super(fields);
  }
}

/** Data of `look_live_request`. */
export interface LookLiveRequestData {
  /** the look live request */
  request_id: string;
  /** the lot */
  lot_id: string;
}

/**
 * Look Live request
 *
 * User paid for look live request
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class LookLiveRequest extends Event<LookLiveRequestData> {
  static override readonly declared: EventType = {
    name: "look_live_request",
    fields: [
      { name: "request_id", type: "string", required: true },
      { name: "lot_id", type: "string", required: true },
    ],
  };

  constructor(fields: EventFields<LookLiveRequestData>) {
    super(fields);
  }
}

/** Data of `carfax_purchase`. */
export interface CarfaxPurchaseData {
  /** the carfax request */
  request_id: string;
  /** the lot */
  lot_id: string;
}

/**
 * Carfax report bought
 *
 * User bought a carfax report
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class CarfaxPurchase extends Event<CarfaxPurchaseData> {
  static override readonly declared: EventType = {
    name: "carfax_purchase",
    fields: [
      { name: "request_id", type: "string", required: true },
      { name: "lot_id", type: "string", required: true },
    ],
  };

  constructor(fields: EventFields<CarfaxPurchaseData>) {
    super(fields);
  }
}

/** Data of `reminder_unpaid_deposit_3h`. */
export interface ReminderUnpaidDeposit3hData {
  /** the lot */
  lot_id: string;
  /** the participant */
  account_id: string;
  /** the name of the participant */
  account_name?: string | null;
}

/**
 * Unpaid deposit, auction ends in 3 hours
 *
 * Auction is ending in 3h but there's participant with unpaid deposit
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class ReminderUnpaidDeposit3h extends Event<ReminderUnpaidDeposit3hData> {
  static override readonly declared: EventType = {
    name: "reminder_unpaid_deposit_3h",
    fields: [
      { name: "lot_id", type: "string", required: true },
      { name: "account_id", type: "string", required: true },
      { name: "account_name", type: "string", required: false },
    ],
  };

  constructor(fields: EventFields<ReminderUnpaidDeposit3hData>) {
    super(fields);
  }
}

/** Data of `reminder_unpaid_invoice`. */
export interface ReminderUnpaidInvoiceData {
  /** the lot */
  lot_id: string;
}

/**
 * Unpaid invoice
 *
 * Invoice is still 'due' 12h after lot is closed
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class ReminderUnpaidInvoice extends Event<ReminderUnpaidInvoiceData> {
  static override readonly declared: EventType = {
    name: "reminder_unpaid_invoice",
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };

  constructor(fields: EventFields<ReminderUnpaidInvoiceData>) {
    super(fields);
  }
}

/** Data of `auction_finished`. */
export interface AuctionFinishedData {
  /** the lot */
  lot_id: string;
}

/**
 * Auction finished
 *
 * Auction is finished
 *
 * Notifies every recipient with the role admin, by email and inbox.
 */
export class AuctionFinished extends Event<AuctionFinishedData> {
  static override readonly declared: EventType = {
    name: "auction_finished",
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };

  constructor(fields: EventFields<AuctionFinishedData>) {
    super(fields);
  }
}

/** Data of `financing_pending`. */
export interface FinancingPendingData {
  /** the lot */
  lot_id: string;
}

/**
 * Financing requested
 *
 * User've just requested financing
 *
 * Notifies `recipients`, by email and inbox.
 */
export class FinancingPending extends Event<FinancingPendingData> {
  static override readonly declared: EventType = {
    name: "financing_pending",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<FinancingPendingData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `financing_approved`. */
export interface FinancingApprovedData {
  /** the lot */
  lot_id: string;
}

/**
 * Financing approved
 *
 * Financing request is approved
 *
 * Notifies `recipients`, by email and inbox.
 */
export class FinancingApproved extends Event<FinancingApprovedData> {
  static override readonly declared: EventType = {
    name: "financing_approved",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<FinancingApprovedData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `financing_rejected`. */
export interface FinancingRejectedData {
  /** the lot */
  lot_id: string;
}

/**
 * Financing rejected
 *
 * Financing request is rejected
 *
 * Notifies `recipients`, by email and inbox.
 */
export class FinancingRejected extends Event<FinancingRejectedData> {
  static override readonly declared: EventType = {
    name: "financing_rejected",
    needs: ["recipients"],
    fields: [
      { name: "lot_id", type: "string", required: true },
    ],
  };
  declare readonly recipients: readonly string[];

  constructor(fields: EventFields<FinancingRejectedData> & { readonly recipients: readonly string[] }) {
    super(fields);
  }
}

/** Data of `order_confirm`. */
export interface OrderConfirmData {
  /** the order's number */
  order_id?: string | null;
  /** the customer's own reference */
  reference?: string | null;
  /** where the service is delivered */
  site?: string | null;
  /** when delivery is expected */
  expected_at?: Date | string | null;
}

/**
 * Order confirmed
 *
 * An order has been confirmed
 *
 * Notifies the group `externalId`, by email.
 */
export class OrderConfirm extends Event<OrderConfirmData> {
  static override readonly declared: EventType = {
    name: "order_confirm",
    needs: ["external_id"],
    fields: [
      { name: "order_id", type: "string", required: false },
      { name: "reference", type: "string", required: false },
      { name: "site", type: "string", required: false },
      { name: "expected_at", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<OrderConfirmData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `change_status`. */
export interface ChangeStatusData {
  /** the order's number */
  order_id?: string | null;
  /** the new status, as people call it */
  status?: string | null;
  /** the status before */
  previous_status?: string | null;
  /** what was said about the change */
  comment?: string | null;
}

/**
 * Order status changed
 *
 * The status of an order has changed
 *
 * Notifies the group `externalId`, by email.
 */
export class ChangeStatus extends Event<ChangeStatusData> {
  static override readonly declared: EventType = {
    name: "change_status",
    needs: ["external_id"],
    fields: [
      { name: "order_id", type: "string", required: false },
      { name: "status", type: "string", required: false },
      { name: "previous_status", type: "string", required: false },
      { name: "comment", type: "string", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<ChangeStatusData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `chat_ongoing`. */
export interface ChatOngoingData {
  /** the order the chat is about */
  order_id?: string | null;
  /** the name of the person who wrote */
  author?: string | null;
  /** the beginning of what was written */
  excerpt?: string | null;
}

/**
 * Chat ongoing
 *
 * There is something new in a chat
 *
 * Notifies the group `externalId`, by email.
 */
export class ChatOngoing extends Event<ChatOngoingData> {
  static override readonly declared: EventType = {
    name: "chat_ongoing",
    needs: ["external_id"],
    fields: [
      { name: "order_id", type: "string", required: false },
      { name: "author", type: "string", required: false },
      { name: "excerpt", type: "string", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<ChatOngoingData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `service_activated`. */
export interface ServiceActivatedData {
  /** the service's number */
  service_id?: string | null;
  /** the order it comes from */
  order_id?: string | null;
  /** where the service is delivered */
  site?: string | null;
  /** since when it has been active */
  activated_at?: Date | string | null;
}

/**
 * Service activated
 *
 * A service has been activated
 *
 * Notifies the group `externalId`, by email.
 */
export class ServiceActivated extends Event<ServiceActivatedData> {
  static override readonly declared: EventType = {
    name: "service_activated",
    needs: ["external_id"],
    fields: [
      { name: "service_id", type: "string", required: false },
      { name: "order_id", type: "string", required: false },
      { name: "site", type: "string", required: false },
      { name: "activated_at", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<ServiceActivatedData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `order_terminate`. */
export interface OrderTerminateData {
  /** the order's number */
  order_id?: string | null;
  /** the service that ends with it */
  service_id?: string | null;
  /** until when the service is available */
  ends_at?: Date | string | null;
}

/**
 * Order terminated
 *
 * The termination of an order has been recorded
 *
 * Notifies the group `externalId`, by email.
 */
export class OrderTerminate extends Event<OrderTerminateData> {
  static override readonly declared: EventType = {
    name: "order_terminate",
    needs: ["external_id"],
    fields: [
      { name: "order_id", type: "string", required: false },
      { name: "service_id", type: "string", required: false },
      { name: "ends_at", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<OrderTerminateData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `order_update`. */
export interface OrderUpdateData {
  /** the order's number */
  order_id?: string | null;
  /** the name of the person who changed it */
  updated_by?: string | null;
  /** what has changed, in a few words */
  summary?: string | null;
  /** when delivery is expected now */
  expected_at?: Date | string | null;
}

/**
 * Order updated
 *
 * An order has been updated
 *
 * Notifies the group `externalId`, by email.
 */
export class OrderUpdate extends Event<OrderUpdateData> {
  static override readonly declared: EventType = {
    name: "order_update",
    needs: ["external_id"],
    fields: [
      { name: "order_id", type: "string", required: false },
      { name: "updated_by", type: "string", required: false },
      { name: "summary", type: "string", required: false },
      { name: "expected_at", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<OrderUpdateData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `study_request`. */
export interface StudyRequestData {
  /** the study's number */
  study_id?: string | null;
  /** the place that is studied */
  site?: string | null;
  /** the name of the person who asked */
  requested_by?: string | null;
  /** when the answer is expected */
  due_at?: Date | string | null;
}

/**
 * Study requested
 *
 * A feasibility study has been requested
 *
 * Notifies the group `externalId`, by email.
 */
export class StudyRequest extends Event<StudyRequestData> {
  static override readonly declared: EventType = {
    name: "study_request",
    needs: ["external_id"],
    fields: [
      { name: "study_id", type: "string", required: false },
      { name: "site", type: "string", required: false },
      { name: "requested_by", type: "string", required: false },
      { name: "due_at", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<StudyRequestData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `study_answered`. */
export interface StudyAnsweredData {
  /** the study's number */
  study_id?: string | null;
  /** the place that was studied */
  site?: string | null;
  /** whether the connection can be built */
  feasible?: boolean | null;
  /** what was said with the answer */
  comment?: string | null;
}

/**
 * Study answered
 *
 * A feasibility study has been answered
 *
 * Notifies the group `externalId`, by email.
 */
export class StudyAnswered extends Event<StudyAnsweredData> {
  static override readonly declared: EventType = {
    name: "study_answered",
    needs: ["external_id"],
    fields: [
      { name: "study_id", type: "string", required: false },
      { name: "site", type: "string", required: false },
      { name: "feasible", type: "boolean", required: false },
      { name: "comment", type: "string", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<StudyAnsweredData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `fon_offer`. */
export interface FonOfferData {
  /** the offer's number */
  offer_id?: string | null;
  /** the place or route it is for */
  site?: string | null;
  /** the price, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of `amount` */
  currency?: string | null;
  /** until when it can be accepted */
  valid_until?: Date | string | null;
}

/**
 * FON offer
 *
 * A FON offer is ready
 *
 * Notifies the group `externalId`, by email.
 */
export class FonOffer extends Event<FonOfferData> {
  static override readonly declared: EventType = {
    name: "fon_offer",
    needs: ["external_id"],
    fields: [
      { name: "offer_id", type: "string", required: false },
      { name: "site", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "valid_until", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<FonOfferData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `fon_answered`. */
export interface FonAnsweredData {
  /** the request's number */
  request_id?: string | null;
  /** the place or route that was asked about */
  site?: string | null;
  /** whether it can be had there */
  available?: boolean | null;
  /** what was said with the answer */
  comment?: string | null;
}

/**
 * FON request answered
 *
 * A FON request has been answered
 *
 * Notifies the group `externalId`, by email.
 */
export class FonAnswered extends Event<FonAnsweredData> {
  static override readonly declared: EventType = {
    name: "fon_answered",
    needs: ["external_id"],
    fields: [
      { name: "request_id", type: "string", required: false },
      { name: "site", type: "string", required: false },
      { name: "available", type: "boolean", required: false },
      { name: "comment", type: "string", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<FonAnsweredData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}

/** Data of `invoice_available`. */
export interface InvoiceAvailableData {
  /** the invoice's number */
  invoice_id?: string | null;
  /** what span of time it is for */
  period?: string | null;
  /** the total, in `currency` */
  amount?: number | null;
  /** ISO 4217 code of `amount` */
  currency?: string | null;
  /** when it is to be paid */
  due_at?: Date | string | null;
}

/**
 * Invoice available
 *
 * An invoice is available
 *
 * Notifies the group `externalId`, by email.
 */
export class InvoiceAvailable extends Event<InvoiceAvailableData> {
  static override readonly declared: EventType = {
    name: "invoice_available",
    needs: ["external_id"],
    fields: [
      { name: "invoice_id", type: "string", required: false },
      { name: "period", type: "string", required: false },
      { name: "amount", type: "number", required: false },
      { name: "currency", type: "string", required: false },
      { name: "due_at", type: "datetime", required: false },
    ],
  };
  declare readonly externalId: string;

  constructor(
    fields: EventFields<InvoiceAvailableData> & { readonly externalId: string; readonly projectId?: string | undefined },
  ) {
    super(fields);
  }
}
