"""How much of one call is read: technical limits, not clinical ones (T-45).

What lies beyond a limit is "not read" and never absent: its source could not be checked, or an
order may be any. Each number stands far beyond what records hold, so that only a broken or hostile
call reaches it, and low enough that one call stays within its deadline and its share of memory.
docs/operations.md lists them for an analyst.
"""

MAX_TEXT = 1000  # characters of a text: the longest name in RxNorm has 850
MAX_ITEMS = 2000  # members of a list
MAX_CODINGS = 50  # codes of one concept: a record has one for each system that it maps to
MAX_CONCEPTS = 100  # concepts of one member
MAX_RESOURCES = 2000  # of all sources together
MAX_DRAFTS = 500  # of one call: an order set for chemotherapy has some eighty
MAX_SELECTED = 50  # drafts about which rules are asked
RESOURCE_BYTES = 256_000  # of the members that are read; narrative and attachments do not count
MAX_VALUES = 200_000  # objects, lists and members of a body: the densest real ones have half of it
