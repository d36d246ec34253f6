"""A small catalogue for tests of the pipeline, so that they do not depend on the shipped one."""

from functools import cache

from service.model.catalogue import Audience, AudienceRule, Catalogue, MetaField, NotificationType
from service.model.channels import Channel

USERS = Audience(kind=AudienceRule.users)
ADMINS = Audience(kind=AudienceRule.role, role="admin")
BOTH = (Channel.email, Channel.inbox)


@cache
def small_catalogue() -> Catalogue:
    """Return a catalogue with one type for each rule of audiences and sending."""

    def make_type(name: str, **fields: object) -> NotificationType:
        base = {"name": name, "domain": "test", "title": name, "description": "", "channels": BOTH}
        return NotificationType.model_validate(base | fields)

    types = [
        make_type(
            "overbid", number=6, audience=(USERS, ADMINS), meta={"lot_id": MetaField()}, supersede="{lot_id}"
        ),
        make_type("winner", number=7, audience=(USERS,), meta={"lot_id": MetaField()}),
        make_type(
            "direct_sale_rejected", number=16, audience=(USERS,), meta={"lot_id": MetaField(required=False)}
        ),
        make_type(
            "message_from_buyer",
            number=17,
            audience=(Audience(kind=AudienceRule.users, field="receiver_id"), ADMINS),
            actor_field="sender_id",
            meta={"sender_id": MetaField(), "receiver_id": MetaField()},
        ),
        make_type("callback_requested", number=19, audience=(ADMINS,)),
        make_type(
            "invoice_available",
            audience=(Audience(kind=AudienceRule.group),),
            channels=(Channel.email,),
            meta={"amount": MetaField(type="number", required=False)},
        ),
        make_type(
            "payment_failed", audience=(Audience(kind=AudienceRule.account),), channels=(Channel.email,)
        ),
        make_type(
            "payment_approved", audience=(Audience(kind=AudienceRule.account),), channels=(Channel.inbox,)
        ),
        make_type("reset_password", audience=(USERS,), channels=(Channel.email,), mandatory=True),
        make_type("held_when_unsure", audience=(USERS,), channels=(Channel.email,), on_ambiguous="hold"),
        make_type("read_or_mailed", audience=(USERS,), skip_email_if_read=True),
        make_type("own_news", audience=(USERS,), notify_actor=True),
        make_type("weekly_news", audience=(USERS,), digest={"group": "news", "frequency": "weekly"}),
        make_type("mixed", audience=(USERS, Audience(kind=AudienceRule.group)), channels=(Channel.email,)),
    ]
    return Catalogue({type_.name: type_ for type_ in types})
