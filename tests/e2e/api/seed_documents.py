"""The examples of the three API documents, byte for byte except for white space."""

from typing import Any

import orjson

MAIN = "cc15a0ea-6009-408e-8d47-0d39ad25fd70"
CONTACTS, PREFERENCES = "/api/2.0/notification_contacts/", "/api/2.0/notification_preferences/"

GROUP = b"""{
  "order_confirm": ["admin@example.com", "order@example.com"],
  "change_status": [],
  "chat_ongoing": ["chat@example.com"],
  "service_activated": ["service@example.com"],
  "order_terminate": ["admin@example.com"],
  "order_update": ["updates@example.com"],
  "study_request": ["studies@example.com"],
  "study_answered": ["studies@example.com"],
  "fon_offer": ["fon@example.com"],
  "fon_answered": ["fon@example.com"],
  "invoice_available": ["billing@example.com"]
}"""

COUNTS = b"""{
  "data": [
      {
          "type": "notifications",
          "id": "14",
          "attributes": {
              "count": 1,
              "type_str": "carfax_report_for_watchlist_auction"
          }
      }
  ]
}"""

NOTIFICATIONS = b"""{
  "data": [
      {
          "type": "notifications",
          "id": "uyErieIJuRUaSbqC",
          "attributes": {
              "type": 18,
              "type_str": "message_from_seller",
              "meta": {
                  "lot_id": "1",
                  "receiver_id": "GBIOUELRPQIXUIXJSXPSDTSHCMJFVUK36GIQOLTZWFYK5NRZCS64UDJB",
                  "sender_id": "GCFFCRD32PLJD2SIQF4O5ZORSRBMRQRTU6KKILR5XO3TWCBTASF3PTTS"
              },
              "created_at": "2019-04-08T14:17:37Z"
          }
      },
      {
          "type": "notifications",
          "id": "QCpWNUulPQswPFBG",
          "attributes": {
              "type": 8,
              "type_str": "invoice_attached",
              "meta": {
                  "invoice_id": "invoice-id",
                  "lot_id": "1"
              },
              "created_at": "2019-04-08T14:17:37Z"
          }
      }
  ]
}"""

_VALUES = {
    "subscription_renewal_soon": True,
    "out_of_money_soon": False,
    "subscription_expire_soon": False,
    "subscription_renewal_success": False,
    "reset_password": False,
    "trial_expire": False,
    "drives_delete_soon": False,
    "subscription_expire": True,
    "new_account": True,
    "payment_withheld": True,
    "random_upgrade": False,
    "subscription_renew_soon": True,
    "drives_delete": True,
    "subscription_renewal_failure": True,
    "stop_servers": True,
    "payment_approved": True,
    "subscription_renewal_very_soon": True,
    "subscription_expire_very_soon": True,
    "payment_failed": True,
    "out_of_money_very_soon": True,
    "payment": True,
    "payment_cancelled": True,
    "trial_expire_soon": True,
}
_BY_API = ("payment_withheld", "payment_approved", "payment_cancelled")


def preference(name: str, value: bool, contact: str = MAIN) -> dict[str, Any]:
    """Return an object of the preferences listing."""
    medium = "api" if name in _BY_API else "email"
    return {"contact": f"{CONTACTS}{contact}/", "medium": medium, "type": name, "value": value}


def preferences() -> bytes:
    """Return the response to GET /notification_preferences/?limit=0."""
    objects = [preference(name, value) for name, value in _VALUES.items()]
    return orjson.dumps({"meta": {"limit": 0, "offset": 0, "total_count": 23}, "objects": objects})


def switched_off() -> tuple[str, ...]:
    """Return the types that the document shows as off."""
    return tuple(name for name, value in _VALUES.items() if not value)


def compact(text: bytes) -> bytes:
    """Return the same JSON without white space, with keys in the same order."""
    return orjson.dumps(orjson.loads(text))
