"""The scripts that write rows: a lower version never replaces a higher one, and a deletion leaves a tombstone."""

from service.adapters.redis.script_batch import Script

PUT_ROW, DELETE_ROW = Script("row_functions", "row_put"), Script("row_functions", "row_delete")
PUT_IN_HASH = Script("row_functions", "contacts_put")
DELETE_IN_HASH = Script("row_functions", "contact_delete")
TOMBSTONE_S = 30 * 86_400
