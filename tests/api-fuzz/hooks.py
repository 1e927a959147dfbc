"""What the description of the API cannot say of a request that is right.

A cursor is one that a page gave: invented ones are refused, which the tests of lists show. And `since` is not after `until`: a span
that runs backwards is refused, which no schema of two parameters says. Requests that are meant to be right have neither; those that
are meant to be wrong are left as they are. The hooks of whole cases are the ones that every phase calls.
"""

from datetime import datetime

import schemathesis


def is_meant_to_be_right(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def instant(text):
    try:
        return datetime.fromisoformat(str(text).upper().replace("Z", "+00:00"))
    except ValueError:
        return None


@schemathesis.hook
def map_case(context, case):
    if is_meant_to_be_right(case) and case.query:
        case.query.pop("cursor", None)
    return case


@schemathesis.hook
def filter_case(context, case):
    if not is_meant_to_be_right(case) or not case.query:
        return True
    since, until = instant(case.query.get("since")), instant(case.query.get("until"))
    try:
        return since is None or until is None or since <= until
    except TypeError:  # one of them has no offset, which is refused in any case
        return True
