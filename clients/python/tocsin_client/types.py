"""Events of the notification types. Written by `tocsin types generate python`: do not edit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NotRequired, TypedDict

from tocsin_client.event import Event
from tocsin_client.event_type import DataField, EventType


class SubscriptionRenewalSoonData(TypedDict):
    """Data of `subscription_renewal_soon`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    renews_at: NotRequired[datetime | str | None]
    """when it renews"""

    amount: NotRequired[float | None]
    """the price, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionRenewalSoon(Event):
    """Subscription renews soon

    A subscription will renew automatically soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_renewal_soon",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("renews_at", "datetime", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: SubscriptionRenewalSoonData = field(default_factory=SubscriptionRenewalSoonData)


class OutOfMoneySoonData(TypedDict):
    """Data of `out_of_money_soon`."""

    balance: NotRequired[float | None]
    """what is left, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""

    runs_out_at: NotRequired[datetime | str | None]
    """when the balance is used up at the present rate"""


@dataclass(frozen=True, kw_only=True)
class OutOfMoneySoon(Event):
    """Balance running low

    The balance will be used up soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="out_of_money_soon",
        needs=("account",),
        fields=(
            DataField("balance", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("runs_out_at", "datetime", required=False),
        ),
    )
    account: str
    data: OutOfMoneySoonData = field(default_factory=OutOfMoneySoonData)


class SubscriptionExpireSoonData(TypedDict):
    """Data of `subscription_expire_soon`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    expires_at: NotRequired[datetime | str | None]
    """when it ends"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionExpireSoon(Event):
    """Subscription expires soon

    A subscription will expire soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_expire_soon",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("expires_at", "datetime", required=False),
        ),
    )
    account: str
    data: SubscriptionExpireSoonData = field(default_factory=SubscriptionExpireSoonData)


class SubscriptionRenewalSuccessData(TypedDict):
    """Data of `subscription_renewal_success`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    renewed_until: NotRequired[datetime | str | None]
    """until when it is valid now"""

    amount: NotRequired[float | None]
    """the price, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionRenewalSuccess(Event):
    """Subscription renewed

    A subscription has been renewed

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_renewal_success",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("renewed_until", "datetime", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: SubscriptionRenewalSuccessData = field(default_factory=SubscriptionRenewalSuccessData)


class ResetPasswordData(TypedDict):
    """Data of `reset_password`."""

    token: NotRequired[str | None]
    """the secret part of the link, good once"""

    expires_at: NotRequired[datetime | str | None]
    """until when the link works"""


@dataclass(frozen=True, kw_only=True)
class ResetPassword(Event):
    """Password reset

    A password reset was requested

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="reset_password",
        needs=("account",),
        fields=(
            DataField("token", "string", required=False),
            DataField("expires_at", "datetime", required=False),
        ),
    )
    account: str
    data: ResetPasswordData = field(default_factory=ResetPasswordData)


class TrialExpireData(TypedDict):
    """Data of `trial_expire`."""

    expired_at: NotRequired[datetime | str | None]
    """when the trial ended"""

    deletes_at: NotRequired[datetime | str | None]
    """until when the data is kept"""


@dataclass(frozen=True, kw_only=True)
class TrialExpire(Event):
    """Trial ended

    The trial has ended

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="trial_expire",
        needs=("account",),
        fields=(
            DataField("expired_at", "datetime", required=False),
            DataField("deletes_at", "datetime", required=False),
        ),
    )
    account: str
    data: TrialExpireData = field(default_factory=TrialExpireData)


class DrivesDeleteSoonData(TypedDict):
    """Data of `drives_delete_soon`."""

    drive_count: NotRequired[int | None]
    """how many drives"""

    deletes_at: NotRequired[datetime | str | None]
    """when the deletion takes place"""


@dataclass(frozen=True, kw_only=True)
class DrivesDeleteSoon(Event):
    """Drives will be deleted soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="drives_delete_soon",
        needs=("account",),
        fields=(
            DataField("drive_count", "integer", required=False),
            DataField("deletes_at", "datetime", required=False),
        ),
    )
    account: str
    data: DrivesDeleteSoonData = field(default_factory=DrivesDeleteSoonData)


class SubscriptionExpireData(TypedDict):
    """Data of `subscription_expire`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    expired_at: NotRequired[datetime | str | None]
    """when it ended"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionExpire(Event):
    """Subscription expired

    A subscription has expired

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_expire",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("expired_at", "datetime", required=False),
        ),
    )
    account: str
    data: SubscriptionExpireData = field(default_factory=SubscriptionExpireData)


class NewAccountData(TypedDict):
    """Data of `new_account`."""

    login: NotRequired[str | None]
    """the name to sign in with"""

    trial_ends_at: NotRequired[datetime | str | None]
    """when the trial ends"""


@dataclass(frozen=True, kw_only=True)
class NewAccount(Event):
    """Account created

    An account has been created

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="new_account",
        needs=("account",),
        fields=(
            DataField("login", "string", required=False),
            DataField("trial_ends_at", "datetime", required=False),
        ),
    )
    account: str
    data: NewAccountData = field(default_factory=NewAccountData)


class PaymentWithheldData(TypedDict):
    """Data of `payment_withheld`."""

    payment_id: NotRequired[str | None]
    """the payment's number"""

    amount: NotRequired[float | None]
    """what was to be paid, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class PaymentWithheld(Event):
    """Payment withheld

    A payment is withheld for review

    Notifies the contacts of `account`, by inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="payment_withheld",
        needs=("account",),
        fields=(
            DataField("payment_id", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: PaymentWithheldData = field(default_factory=PaymentWithheldData)


class RandomUpgradeData(TypedDict):
    """Data of `random_upgrade`."""

    upgrade: NotRequired[str | None]
    """what is better now"""

    ends_at: NotRequired[datetime | str | None]
    """when the upgrade ends"""


@dataclass(frozen=True, kw_only=True)
class RandomUpgrade(Event):
    """Account upgraded

    The account was picked at random for an upgrade

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="random_upgrade",
        needs=("account",),
        fields=(
            DataField("upgrade", "string", required=False),
            DataField("ends_at", "datetime", required=False),
        ),
    )
    account: str
    data: RandomUpgradeData = field(default_factory=RandomUpgradeData)


class SubscriptionRenewSoonData(TypedDict):
    """Data of `subscription_renew_soon`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    expires_at: NotRequired[datetime | str | None]
    """when it ends"""

    amount: NotRequired[float | None]
    """the price, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionRenewSoon(Event):
    """Time to renew the subscription

    A subscription should be renewed soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_renew_soon",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("expires_at", "datetime", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: SubscriptionRenewSoonData = field(default_factory=SubscriptionRenewSoonData)


class DrivesDeleteData(TypedDict):
    """Data of `drives_delete`."""

    drive_count: NotRequired[int | None]
    """how many drives"""

    deleted_at: NotRequired[datetime | str | None]
    """when the deletion took place"""


@dataclass(frozen=True, kw_only=True)
class DrivesDelete(Event):
    """Drives deleted

    Drives have been deleted

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="drives_delete",
        needs=("account",),
        fields=(
            DataField("drive_count", "integer", required=False),
            DataField("deleted_at", "datetime", required=False),
        ),
    )
    account: str
    data: DrivesDeleteData = field(default_factory=DrivesDeleteData)


class SubscriptionRenewalFailureData(TypedDict):
    """Data of `subscription_renewal_failure`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    expires_at: NotRequired[datetime | str | None]
    """when it ends"""

    amount: NotRequired[float | None]
    """the price, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""

    reason: NotRequired[str | None]
    """why, in a few words without a full stop"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionRenewalFailure(Event):
    """Subscription renewal failed

    A subscription could not be renewed

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_renewal_failure",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("expires_at", "datetime", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("reason", "string", required=False),
        ),
    )
    account: str
    data: SubscriptionRenewalFailureData = field(default_factory=SubscriptionRenewalFailureData)


class StopServersData(TypedDict):
    """Data of `stop_servers`."""

    server_count: NotRequired[int | None]
    """how many servers"""

    stopped_at: NotRequired[datetime | str | None]
    """when they were stopped"""

    reason: NotRequired[str | None]
    """why, in a few words without a full stop"""


@dataclass(frozen=True, kw_only=True)
class StopServers(Event):
    """Servers stopped

    Servers have been stopped

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="stop_servers",
        needs=("account",),
        fields=(
            DataField("server_count", "integer", required=False),
            DataField("stopped_at", "datetime", required=False),
            DataField("reason", "string", required=False),
        ),
    )
    account: str
    data: StopServersData = field(default_factory=StopServersData)


class PaymentApprovedData(TypedDict):
    """Data of `payment_approved`."""

    payment_id: NotRequired[str | None]
    """the payment's number"""

    amount: NotRequired[float | None]
    """what was paid, in `currency`"""

    balance: NotRequired[float | None]
    """what it is now, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class PaymentApproved(Event):
    """Payment approved

    A payment has been approved

    Notifies the contacts of `account`, by inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="payment_approved",
        needs=("account",),
        fields=(
            DataField("payment_id", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("balance", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: PaymentApprovedData = field(default_factory=PaymentApprovedData)


class SubscriptionRenewalVerySoonData(TypedDict):
    """Data of `subscription_renewal_very_soon`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    renews_at: NotRequired[datetime | str | None]
    """when it renews"""

    amount: NotRequired[float | None]
    """the price, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionRenewalVerySoon(Event):
    """Subscription renews very soon

    A subscription will renew automatically very soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_renewal_very_soon",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("renews_at", "datetime", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: SubscriptionRenewalVerySoonData = field(default_factory=SubscriptionRenewalVerySoonData)


class SubscriptionExpireVerySoonData(TypedDict):
    """Data of `subscription_expire_very_soon`."""

    subscription: NotRequired[str | None]
    """what is subscribed to"""

    expires_at: NotRequired[datetime | str | None]
    """when it ends"""


@dataclass(frozen=True, kw_only=True)
class SubscriptionExpireVerySoon(Event):
    """Subscription expires very soon

    A subscription will expire very soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="subscription_expire_very_soon",
        needs=("account",),
        fields=(
            DataField("subscription", "string", required=False),
            DataField("expires_at", "datetime", required=False),
        ),
    )
    account: str
    data: SubscriptionExpireVerySoonData = field(default_factory=SubscriptionExpireVerySoonData)


class PaymentFailedData(TypedDict):
    """Data of `payment_failed`."""

    payment_id: NotRequired[str | None]
    """the payment's number"""

    amount: NotRequired[float | None]
    """what was to be paid, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""

    reason: NotRequired[str | None]
    """why, in a few words without a full stop"""


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(Event):
    """Payment failed

    A payment has failed

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="payment_failed",
        needs=("account",),
        fields=(
            DataField("payment_id", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("reason", "string", required=False),
        ),
    )
    account: str
    data: PaymentFailedData = field(default_factory=PaymentFailedData)


class OutOfMoneyVerySoonData(TypedDict):
    """Data of `out_of_money_very_soon`."""

    balance: NotRequired[float | None]
    """what is left, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""

    runs_out_at: NotRequired[datetime | str | None]
    """when the balance is used up at the present rate"""


@dataclass(frozen=True, kw_only=True)
class OutOfMoneyVerySoon(Event):
    """Balance almost used up

    The balance will be used up very soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="out_of_money_very_soon",
        needs=("account",),
        fields=(
            DataField("balance", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("runs_out_at", "datetime", required=False),
        ),
    )
    account: str
    data: OutOfMoneyVerySoonData = field(default_factory=OutOfMoneyVerySoonData)


class PaymentData(TypedDict):
    """Data of `payment`."""

    payment_id: NotRequired[str | None]
    """the payment's number"""

    amount: NotRequired[float | None]
    """what was paid, in `currency`"""

    balance: NotRequired[float | None]
    """what it is now, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""


@dataclass(frozen=True, kw_only=True)
class Payment(Event):
    """Payment received

    A payment has been received

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="payment",
        needs=("account",),
        fields=(
            DataField("payment_id", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("balance", "number", required=False),
            DataField("currency", "string", required=False),
        ),
    )
    account: str
    data: PaymentData = field(default_factory=PaymentData)


class PaymentCancelledData(TypedDict):
    """Data of `payment_cancelled`."""

    payment_id: NotRequired[str | None]
    """the payment's number"""

    amount: NotRequired[float | None]
    """what was to be paid, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of the money fields"""

    reason: NotRequired[str | None]
    """why, in a few words without a full stop"""


@dataclass(frozen=True, kw_only=True)
class PaymentCancelled(Event):
    """Payment cancelled

    A payment has been cancelled

    Notifies the contacts of `account`, by inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="payment_cancelled",
        needs=("account",),
        fields=(
            DataField("payment_id", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("reason", "string", required=False),
        ),
    )
    account: str
    data: PaymentCancelledData = field(default_factory=PaymentCancelledData)


class TrialExpireSoonData(TypedDict):
    """Data of `trial_expire_soon`."""

    expires_at: NotRequired[datetime | str | None]
    """when the trial ends"""


@dataclass(frozen=True, kw_only=True)
class TrialExpireSoon(Event):
    """Trial ends soon

    The trial will end soon

    Notifies the contacts of `account`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="trial_expire_soon",
        needs=("account",),
        fields=(DataField("expires_at", "datetime", required=False),),
    )
    account: str
    data: TrialExpireSoonData = field(default_factory=TrialExpireSoonData)


class RegisteredFinishingIn3hData(TypedDict):
    """Data of `registered_finishing_in_3h`."""


@dataclass(frozen=True, kw_only=True)
class RegisteredFinishingIn3h(Event):
    """Registered auction ends in 3 hours

    Auction in tab registered auctions is finishing in 3 hours

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="registered_finishing_in_3h",
        needs=("recipients",),
    )
    recipients: Sequence[str]
    data: RegisteredFinishingIn3hData = field(default_factory=RegisteredFinishingIn3hData)


class WatchlistDirectSaleFinishingIn3hData(TypedDict):
    """Data of `watchlist_direct_sale_finishing_in_3h`."""


@dataclass(frozen=True, kw_only=True)
class WatchlistDirectSaleFinishingIn3h(Event):
    """Watched direct sale ends in 3 hours

    Direct Sale from watchlist is finishing in 3 hours

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="watchlist_direct_sale_finishing_in_3h",
        needs=("recipients",),
    )
    recipients: Sequence[str]
    data: WatchlistDirectSaleFinishingIn3hData = field(default_factory=WatchlistDirectSaleFinishingIn3hData)


class WatchlistAuctionFinishingIn3hData(TypedDict):
    """Data of `watchlist_auction_finishing_in_3h`."""


@dataclass(frozen=True, kw_only=True)
class WatchlistAuctionFinishingIn3h(Event):
    """Watched auction ends in 3 hours

    Auction from watchlist is finishing in 3 hours

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="watchlist_auction_finishing_in_3h",
        needs=("recipients",),
    )
    recipients: Sequence[str]
    data: WatchlistAuctionFinishingIn3hData = field(default_factory=WatchlistAuctionFinishingIn3hData)


class DepositPendingData(TypedDict):
    """Data of `deposit_pending`."""


@dataclass(frozen=True, kw_only=True)
class DepositPending(Event):
    """Deposit pending

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="deposit_pending",
        needs=("recipients",),
    )
    recipients: Sequence[str]
    data: DepositPendingData = field(default_factory=DepositPendingData)


class DepositReceivedData(TypedDict):
    """Data of `deposit_received`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class DepositReceived(Event):
    """Deposit received

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="deposit_received",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: DepositReceivedData


class OverbidData(TypedDict):
    """Data of `overbid`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class Overbid(Event):
    """New high bidder

    Notifies `recipients`, and every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="overbid",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
        supersede="{lot_id}",
    )
    recipients: Sequence[str]
    data: OverbidData


class WinnerData(TypedDict):
    """Data of `winner`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class Winner(Event):
    """Lot won

    User won a lot

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="winner",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: WinnerData


class InvoiceAttachedData(TypedDict):
    """Data of `invoice_attached`."""

    lot_id: str
    """the lot"""

    invoice_id: str
    """document id of the invoice"""


@dataclass(frozen=True, kw_only=True)
class InvoiceAttached(Event):
    """Invoice attached

    Seller attached invoice

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="invoice_attached",
        needs=("recipients",),
        fields=(
            DataField("lot_id", "string", required=True),
            DataField("invoice_id", "string", required=True),
        ),
    )
    recipients: Sequence[str]
    data: InvoiceAttachedData


class InspectionReportForRegisteredAuctionData(TypedDict):
    """Data of `inspection_report_for_registered_auction`."""

    request_id: str
    """the request"""


@dataclass(frozen=True, kw_only=True)
class InspectionReportForRegisteredAuction(Event):
    """Inspection report for a registered auction

    Inspection report for a lot from registered auctions was received

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="inspection_report_for_registered_auction",
        needs=("recipients",),
        fields=(DataField("request_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: InspectionReportForRegisteredAuctionData


class InspectionReportForWatchlistDirectSaleData(TypedDict):
    """Data of `inspection_report_for_watchlist_direct_sale`."""

    request_id: str
    """the request"""


@dataclass(frozen=True, kw_only=True)
class InspectionReportForWatchlistDirectSale(Event):
    """Inspection report for a watched direct sale

    Inspection report for a direct sale from watchlist

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="inspection_report_for_watchlist_direct_sale",
        needs=("recipients",),
        fields=(DataField("request_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: InspectionReportForWatchlistDirectSaleData


class InspectionReportForWatchlistAuctionData(TypedDict):
    """Data of `inspection_report_for_watchlist_auction`."""

    request_id: str
    """the request"""


@dataclass(frozen=True, kw_only=True)
class InspectionReportForWatchlistAuction(Event):
    """Inspection report for a watched auction

    Inspection report for an auction from watchlist

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="inspection_report_for_watchlist_auction",
        needs=("recipients",),
        fields=(DataField("request_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: InspectionReportForWatchlistAuctionData


class CarfaxReportForRegisteredData(TypedDict):
    """Data of `carfax_report_for_registered`."""

    request_id: str
    """the request"""


@dataclass(frozen=True, kw_only=True)
class CarfaxReportForRegistered(Event):
    """Carfax report for a registered auction

    Carfax report for a lot from registered auction

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="carfax_report_for_registered",
        needs=("recipients",),
        fields=(DataField("request_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: CarfaxReportForRegisteredData


class CarfaxReportForWatchlistDirectSaleData(TypedDict):
    """Data of `carfax_report_for_watchlist_direct_sale`."""

    request_id: str
    """the request"""


@dataclass(frozen=True, kw_only=True)
class CarfaxReportForWatchlistDirectSale(Event):
    """Carfax report for a watched direct sale

    Carfax report for a direct sale from watchlist

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="carfax_report_for_watchlist_direct_sale",
        needs=("recipients",),
        fields=(DataField("request_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: CarfaxReportForWatchlistDirectSaleData


class CarfaxReportForWatchlistAuctionData(TypedDict):
    """Data of `carfax_report_for_watchlist_auction`."""

    request_id: str
    """the request"""


@dataclass(frozen=True, kw_only=True)
class CarfaxReportForWatchlistAuction(Event):
    """Carfax report for a watched auction

    Carfax report for an auction from watchlist

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="carfax_report_for_watchlist_auction",
        needs=("recipients",),
        fields=(DataField("request_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: CarfaxReportForWatchlistAuctionData


class DirectSaleApprovedData(TypedDict):
    """Data of `direct_sale_approved`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class DirectSaleApproved(Event):
    """Direct sale request approved

    Direct sale request was approved

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="direct_sale_approved",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: DirectSaleApprovedData


class DirectSaleRejectedData(TypedDict):
    """Data of `direct_sale_rejected`."""

    lot_id: NotRequired[str | None]
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class DirectSaleRejected(Event):
    """Direct sale request rejected

    Direct sale request was rejected

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="direct_sale_rejected",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=False),),
    )
    recipients: Sequence[str]
    data: DirectSaleRejectedData = field(default_factory=DirectSaleRejectedData)


class MessageFromBuyerData(TypedDict):
    """Data of `message_from_buyer`."""

    lot_id: str
    """the lot"""

    sender_id: str
    """the potential buyer"""

    receiver_id: str
    """the seller, who is notified"""

    sender_name: NotRequired[str | None]
    """the name of the potential buyer"""


@dataclass(frozen=True, kw_only=True)
class MessageFromBuyer(Event):
    """Message from a potential buyer

    Message from potential buyer of my direct sale lot

    Notifies `recipients`, and the recipient in `receiver_id` of the data, and every recipient with
    the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="message_from_buyer",
        needs=("recipients",),
        recipient_fields=("receiver_id",),
        fields=(
            DataField("lot_id", "string", required=True),
            DataField("sender_id", "string", required=True),
            DataField("receiver_id", "string", required=True),
            DataField("sender_name", "string", required=False),
        ),
    )
    recipients: Sequence[str] | None = None
    data: MessageFromBuyerData


class MessageFromSellerData(TypedDict):
    """Data of `message_from_seller`."""

    lot_id: str
    """the lot"""

    sender_id: str
    """the seller"""

    receiver_id: str
    """the potential buyer, who is notified"""

    sender_name: NotRequired[str | None]
    """the name of the seller"""


@dataclass(frozen=True, kw_only=True)
class MessageFromSeller(Event):
    """Message from the seller

    Message from the seller of the lot I want to buy

    Notifies `recipients`, and the recipient in `receiver_id` of the data, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="message_from_seller",
        needs=("recipients",),
        recipient_fields=("receiver_id",),
        fields=(
            DataField("lot_id", "string", required=True),
            DataField("sender_id", "string", required=True),
            DataField("receiver_id", "string", required=True),
            DataField("sender_name", "string", required=False),
        ),
    )
    recipients: Sequence[str] | None = None
    data: MessageFromSellerData


class CallbackRequestedData(TypedDict):
    """Data of `callback_requested`."""

    lot_id: str
    """the lot"""

    account_id: str
    """the account to be called back"""

    account_name: NotRequired[str | None]
    """the name of the person to be called back"""


@dataclass(frozen=True, kw_only=True)
class CallbackRequested(Event):
    """Callback requested

    User has requested a callback

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="callback_requested",
        fields=(
            DataField("lot_id", "string", required=True),
            DataField("account_id", "string", required=True),
            DataField("account_name", "string", required=False),
        ),
    )
    data: CallbackRequestedData


class NewActiveTradeData(TypedDict):
    """Data of `new_active_trade`."""

    lot_id: str
    """the lot"""

    account_id: str
    """the account that registered"""

    account_name: NotRequired[str | None]
    """the name of the person or company that registered"""


@dataclass(frozen=True, kw_only=True)
class NewActiveTrade(Event):
    """New active trade

    User has registered on a lot (or requested buy now) and paid deposit

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="new_active_trade",
        fields=(
            DataField("lot_id", "string", required=True),
            DataField("account_id", "string", required=True),
            DataField("account_name", "string", required=False),
        ),
    )
    data: NewActiveTradeData


class NewUploadData(TypedDict):
    """Data of `new_upload`."""

    request_id: str
    """the lot creation request"""


@dataclass(frozen=True, kw_only=True)
class NewUpload(Event):
    """New lot creation request

    User hase made a lot creation request

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="new_upload",
        fields=(DataField("request_id", "string", required=True),),
    )
    data: NewUploadData


class LookLiveRequestData(TypedDict):
    """Data of `look_live_request`."""

    request_id: str
    """the look live request"""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class LookLiveRequest(Event):
    """Look Live request

    User paid for look live request

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="look_live_request",
        fields=(
            DataField("request_id", "string", required=True),
            DataField("lot_id", "string", required=True),
        ),
    )
    data: LookLiveRequestData


class CarfaxPurchaseData(TypedDict):
    """Data of `carfax_purchase`."""

    request_id: str
    """the carfax request"""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class CarfaxPurchase(Event):
    """Carfax report bought

    User bought a carfax report

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="carfax_purchase",
        fields=(
            DataField("request_id", "string", required=True),
            DataField("lot_id", "string", required=True),
        ),
    )
    data: CarfaxPurchaseData


class ReminderUnpaidDeposit3hData(TypedDict):
    """Data of `reminder_unpaid_deposit_3h`."""

    lot_id: str
    """the lot"""

    account_id: str
    """the participant"""

    account_name: NotRequired[str | None]
    """the name of the participant"""


@dataclass(frozen=True, kw_only=True)
class ReminderUnpaidDeposit3h(Event):
    """Unpaid deposit, auction ends in 3 hours

    Auction is ending in 3h but there's participant with unpaid deposit

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="reminder_unpaid_deposit_3h",
        fields=(
            DataField("lot_id", "string", required=True),
            DataField("account_id", "string", required=True),
            DataField("account_name", "string", required=False),
        ),
    )
    data: ReminderUnpaidDeposit3hData


class ReminderUnpaidInvoiceData(TypedDict):
    """Data of `reminder_unpaid_invoice`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class ReminderUnpaidInvoice(Event):
    """Unpaid invoice

    Invoice is still 'due' 12h after lot is closed

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="reminder_unpaid_invoice",
        fields=(DataField("lot_id", "string", required=True),),
    )
    data: ReminderUnpaidInvoiceData


class AuctionFinishedData(TypedDict):
    """Data of `auction_finished`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class AuctionFinished(Event):
    """Auction finished

    Auction is finished

    Notifies every recipient with the role admin, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="auction_finished",
        fields=(DataField("lot_id", "string", required=True),),
    )
    data: AuctionFinishedData


class FinancingPendingData(TypedDict):
    """Data of `financing_pending`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class FinancingPending(Event):
    """Financing requested

    User've just requested financing

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="financing_pending",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: FinancingPendingData


class FinancingApprovedData(TypedDict):
    """Data of `financing_approved`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class FinancingApproved(Event):
    """Financing approved

    Financing request is approved

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="financing_approved",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: FinancingApprovedData


class FinancingRejectedData(TypedDict):
    """Data of `financing_rejected`."""

    lot_id: str
    """the lot"""


@dataclass(frozen=True, kw_only=True)
class FinancingRejected(Event):
    """Financing rejected

    Financing request is rejected

    Notifies `recipients`, by email and inbox.
    """

    declared: ClassVar[EventType] = EventType(
        name="financing_rejected",
        needs=("recipients",),
        fields=(DataField("lot_id", "string", required=True),),
    )
    recipients: Sequence[str]
    data: FinancingRejectedData


class OrderConfirmData(TypedDict):
    """Data of `order_confirm`."""

    order_id: NotRequired[str | None]
    """the order's number"""

    reference: NotRequired[str | None]
    """the customer's own reference"""

    site: NotRequired[str | None]
    """where the service is delivered"""

    expected_at: NotRequired[datetime | str | None]
    """when delivery is expected"""


@dataclass(frozen=True, kw_only=True)
class OrderConfirm(Event):
    """Order confirmed

    An order has been confirmed

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="order_confirm",
        needs=("external_id",),
        fields=(
            DataField("order_id", "string", required=False),
            DataField("reference", "string", required=False),
            DataField("site", "string", required=False),
            DataField("expected_at", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: OrderConfirmData = field(default_factory=OrderConfirmData)


class ChangeStatusData(TypedDict):
    """Data of `change_status`."""

    order_id: NotRequired[str | None]
    """the order's number"""

    status: NotRequired[str | None]
    """the new status, as people call it"""

    previous_status: NotRequired[str | None]
    """the status before"""

    comment: NotRequired[str | None]
    """what was said about the change"""


@dataclass(frozen=True, kw_only=True)
class ChangeStatus(Event):
    """Order status changed

    The status of an order has changed

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="change_status",
        needs=("external_id",),
        fields=(
            DataField("order_id", "string", required=False),
            DataField("status", "string", required=False),
            DataField("previous_status", "string", required=False),
            DataField("comment", "string", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: ChangeStatusData = field(default_factory=ChangeStatusData)


class ChatOngoingData(TypedDict):
    """Data of `chat_ongoing`."""

    order_id: NotRequired[str | None]
    """the order the chat is about"""

    author: NotRequired[str | None]
    """the name of the person who wrote"""

    excerpt: NotRequired[str | None]
    """the beginning of what was written"""


@dataclass(frozen=True, kw_only=True)
class ChatOngoing(Event):
    """Chat ongoing

    There is something new in a chat

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="chat_ongoing",
        needs=("external_id",),
        fields=(
            DataField("order_id", "string", required=False),
            DataField("author", "string", required=False),
            DataField("excerpt", "string", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: ChatOngoingData = field(default_factory=ChatOngoingData)


class ServiceActivatedData(TypedDict):
    """Data of `service_activated`."""

    service_id: NotRequired[str | None]
    """the service's number"""

    order_id: NotRequired[str | None]
    """the order it comes from"""

    site: NotRequired[str | None]
    """where the service is delivered"""

    activated_at: NotRequired[datetime | str | None]
    """since when it has been active"""


@dataclass(frozen=True, kw_only=True)
class ServiceActivated(Event):
    """Service activated

    A service has been activated

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="service_activated",
        needs=("external_id",),
        fields=(
            DataField("service_id", "string", required=False),
            DataField("order_id", "string", required=False),
            DataField("site", "string", required=False),
            DataField("activated_at", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: ServiceActivatedData = field(default_factory=ServiceActivatedData)


class OrderTerminateData(TypedDict):
    """Data of `order_terminate`."""

    order_id: NotRequired[str | None]
    """the order's number"""

    service_id: NotRequired[str | None]
    """the service that ends with it"""

    ends_at: NotRequired[datetime | str | None]
    """until when the service is available"""


@dataclass(frozen=True, kw_only=True)
class OrderTerminate(Event):
    """Order terminated

    The termination of an order has been recorded

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="order_terminate",
        needs=("external_id",),
        fields=(
            DataField("order_id", "string", required=False),
            DataField("service_id", "string", required=False),
            DataField("ends_at", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: OrderTerminateData = field(default_factory=OrderTerminateData)


class OrderUpdateData(TypedDict):
    """Data of `order_update`."""

    order_id: NotRequired[str | None]
    """the order's number"""

    updated_by: NotRequired[str | None]
    """the name of the person who changed it"""

    summary: NotRequired[str | None]
    """what has changed, in a few words"""

    expected_at: NotRequired[datetime | str | None]
    """when delivery is expected now"""


@dataclass(frozen=True, kw_only=True)
class OrderUpdate(Event):
    """Order updated

    An order has been updated

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="order_update",
        needs=("external_id",),
        fields=(
            DataField("order_id", "string", required=False),
            DataField("updated_by", "string", required=False),
            DataField("summary", "string", required=False),
            DataField("expected_at", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: OrderUpdateData = field(default_factory=OrderUpdateData)


class StudyRequestData(TypedDict):
    """Data of `study_request`."""

    study_id: NotRequired[str | None]
    """the study's number"""

    site: NotRequired[str | None]
    """the place that is studied"""

    requested_by: NotRequired[str | None]
    """the name of the person who asked"""

    due_at: NotRequired[datetime | str | None]
    """when the answer is expected"""


@dataclass(frozen=True, kw_only=True)
class StudyRequest(Event):
    """Study requested

    A feasibility study has been requested

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="study_request",
        needs=("external_id",),
        fields=(
            DataField("study_id", "string", required=False),
            DataField("site", "string", required=False),
            DataField("requested_by", "string", required=False),
            DataField("due_at", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: StudyRequestData = field(default_factory=StudyRequestData)


class StudyAnsweredData(TypedDict):
    """Data of `study_answered`."""

    study_id: NotRequired[str | None]
    """the study's number"""

    site: NotRequired[str | None]
    """the place that was studied"""

    feasible: NotRequired[bool | None]
    """whether the connection can be built"""

    comment: NotRequired[str | None]
    """what was said with the answer"""


@dataclass(frozen=True, kw_only=True)
class StudyAnswered(Event):
    """Study answered

    A feasibility study has been answered

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="study_answered",
        needs=("external_id",),
        fields=(
            DataField("study_id", "string", required=False),
            DataField("site", "string", required=False),
            DataField("feasible", "boolean", required=False),
            DataField("comment", "string", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: StudyAnsweredData = field(default_factory=StudyAnsweredData)


class FonOfferData(TypedDict):
    """Data of `fon_offer`."""

    offer_id: NotRequired[str | None]
    """the offer's number"""

    site: NotRequired[str | None]
    """the place or route it is for"""

    amount: NotRequired[float | None]
    """the price, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of `amount`"""

    valid_until: NotRequired[datetime | str | None]
    """until when it can be accepted"""


@dataclass(frozen=True, kw_only=True)
class FonOffer(Event):
    """FON offer

    A FON offer is ready

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="fon_offer",
        needs=("external_id",),
        fields=(
            DataField("offer_id", "string", required=False),
            DataField("site", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("valid_until", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: FonOfferData = field(default_factory=FonOfferData)


class FonAnsweredData(TypedDict):
    """Data of `fon_answered`."""

    request_id: NotRequired[str | None]
    """the request's number"""

    site: NotRequired[str | None]
    """the place or route that was asked about"""

    available: NotRequired[bool | None]
    """whether it can be had there"""

    comment: NotRequired[str | None]
    """what was said with the answer"""


@dataclass(frozen=True, kw_only=True)
class FonAnswered(Event):
    """FON request answered

    A FON request has been answered

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="fon_answered",
        needs=("external_id",),
        fields=(
            DataField("request_id", "string", required=False),
            DataField("site", "string", required=False),
            DataField("available", "boolean", required=False),
            DataField("comment", "string", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: FonAnsweredData = field(default_factory=FonAnsweredData)


class InvoiceAvailableData(TypedDict):
    """Data of `invoice_available`."""

    invoice_id: NotRequired[str | None]
    """the invoice's number"""

    period: NotRequired[str | None]
    """what span of time it is for"""

    amount: NotRequired[float | None]
    """the total, in `currency`"""

    currency: NotRequired[str | None]
    """ISO 4217 code of `amount`"""

    due_at: NotRequired[datetime | str | None]
    """when it is to be paid"""


@dataclass(frozen=True, kw_only=True)
class InvoiceAvailable(Event):
    """Invoice available

    An invoice is available

    Notifies the group `external_id`, by email.
    """

    declared: ClassVar[EventType] = EventType(
        name="invoice_available",
        needs=("external_id",),
        fields=(
            DataField("invoice_id", "string", required=False),
            DataField("period", "string", required=False),
            DataField("amount", "number", required=False),
            DataField("currency", "string", required=False),
            DataField("due_at", "datetime", required=False),
        ),
    )
    external_id: str
    project_id: str = ""
    data: InvoiceAvailableData = field(default_factory=InvoiceAvailableData)
