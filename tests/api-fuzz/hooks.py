"""What the description of the API cannot say of a request that is right.

A cursor is one that a page gave: invented ones are refused, which the tests of lists show. And `since` is not after `until`: a span
that runs backwards is refused, which no schema of two parameters says.
"""

from datetime import datetime

import schemathesis


def instant(text):
    try:
        return datetime.fromisoformat(str(text).upper().replace("Z", "+00:00"))
    except ValueError:
        return None


@schemathesis.hook
def map_query(context, query):
    if isinstance(query, dict) and "cursor" in query:
        return {name: value for name, value in query.items() if name != "cursor"}
    return query


@schemathesis.hook
def filter_query(context, query):
    if not isinstance(query, dict):
        return True
    since, until = instant(query.get("since")), instant(query.get("until"))
    try:
        return since is None or until is None or since <= until
    except TypeError:  # one of them has no offset, which is refused in any case
        return True
