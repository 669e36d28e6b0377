"""Webhooks: where events are sent, and how far each endpoint is. The log is the queue; nothing is copied out of it.

An endpoint has a position in the log and a short list of events that wait to be sent (again). Of one subject only the
first of them is sent at a time, so that its events arrive in the order of its rev; those of other subjects go on.
Signatures are those of Standard Webhooks; the retries are ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from interlock.domain.errors import InvalidValue, Malformed
from interlock.domain.record import Index, Record

RETRIES_MS = (5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000)
"""Pauses before the second try, the third, …; after the last the event is given up."""
JITTER = 0.2
"""Share of a pause by which it may be longer, so that endpoints that failed together do not come back together."""
DISABLED_AFTER_MS = 5 * 86_400_000
"""An endpoint that took nothing for so long, though it was asked, is switched off."""
WAITING_MAX = 100
"""Events of one endpoint that wait to be sent; while there are so many no more are read from the log."""
TOPICS_MAX = 100
ROTATION_MS = 86_400_000
"""So long after a rotation messages carry the signatures of both secrets."""
SECRET = "whsec_"
URL_MAX = 2_000
ATTEMPTS_KEPT = 100
ANSWER_BYTES = 2_048
"""So much of an answer is kept."""
TEST = "interlock.webhook.test.v1"
"""The type of the event that is sent on demand."""


class Redelivery(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An order to send again what was sent: the `no`-th of its webhook. Of the rows after position `after`; `only`: of
    the one that follows it.
    """

    no: int = 0
    after: int = 0
    only: bool = False


class Webhook(Record, frozen=True, kw_only=True):
    """An endpoint outside that is sent events: of these topics (as in `GET /v1/events`), or all. The secret stands
    beside it, in no log and no answer but the one that made it.
    """

    TYPE: ClassVar[str] = "webhook"
    PATH: ClassVar[str] = "/v1/outbound-webhooks/"
    NOUN: ClassVar[str] = "webhook"
    RELATIONS: ClassVar[Mapping[str, str]] = {"org": "org"}
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"redelivery", "tests", "enabled_at"})

    name: str
    url: str
    topics: tuple[str, ...] = ()
    description: str = ""
    enabled: bool = True
    disabled_reason: str = ""
    disabled_at: int | None = None
    enabled_at: int | None = None
    rotated_at: int | None = None
    deleted: bool = False
    redelivery: Redelivery = Redelivery()
    tests: int = 0

    @property
    def at_work(self) -> bool:
        """Whether anything is sent to it."""
        return self.enabled and not self.deleted

    def index(self) -> Index:
        """By name; those at work are due all the time, so that the role finds them in all orgs at once."""
        state = "deleted" if self.deleted else "live"
        return Index(state=state, sort=self.name.lower(), due_at=self.created_at if self.at_work else None)


def check_webhook(values: Mapping[str, Any]) -> None:
    """Raises unless the URL can be sent to, as far as it says itself: whether it may be, the sender sees when it
    connects.
    """
    url = values.get("url")
    if url is None:
        return
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise Malformed("url is an address such as https://example.org/hooks.", pointer="/url")
    if parts.username is not None or parts.fragment:
        raise InvalidValue("url has neither a user nor a fragment; secrets belong into no address.", pointer="/url")


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if len(url) > URL_MAX or any(c.isspace() or ord(c) < 32 for c in url) else parts


class Secrets(msgspec.Struct, frozen=True):
    """The secret of a webhook, and until `until` (ms) the one before it."""

    now: str
    before: str = ""
    until: int = 0

    def rotated(self, fresh: str, now: int) -> Secrets:
        """With a fresh secret from now on."""
        return Secrets(fresh, self.now, now + ROTATION_MS)

    def at(self, now: int) -> tuple[str, ...]:
        """Those that sign a message now, the newest first."""
        return (self.now, self.before) if self.before and now < self.until else (self.now,)


def secret_of(raw: bytes) -> str:
    """A secret as it is shown."""
    return SECRET + base64.b64encode(raw).decode()


def signature(secret: str, id: str, at_s: int, body: bytes) -> str:
    """One signature of a message (Standard Webhooks, scheme v1): HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix(SECRET))
    signed = hmac.new(key, b"%s.%d." % (id.encode(), at_s) + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed.digest()).decode()


def headers_of(secrets: Secrets, id: str, now: int, body: bytes) -> dict[str, str]:
    """The headers that a message carries; `now` in ms."""
    at_s = now // 1000
    signed = " ".join(signature(secret, id, at_s, body) for secret in secrets.at(now))
    return {
        "content-type": "application/cloudevents+json",
        "webhook-id": id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signed,
    }


class Waiting(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An event that waits: the `n`-th of the row at `position`; `due_at` (ms) after `tries` tries."""

    position: int
    n: int
    subject: str
    tries: int = 0
    due_at: int = 0


class Progress(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How far an endpoint is: every row up to `position` is sent, given up, or in `waiting`.

    failing_since   when the first of the tries failed that none has come through after (ms)
    redelivery, tests   the orders of the webhook that are carried out
    """

    position: int
    waiting: tuple[Waiting, ...] = ()
    failing_since: int | None = None
    redelivery: int = 0
    tests: int = 0

    @property
    def room(self) -> int:
        """How many events more may wait."""
        return WAITING_MAX - len(self.waiting)

    def sendable(self, now: int, most: int) -> list[Waiting]:
        """What may be sent now, `most` at most: of each subject its first event, if that is due."""
        found: list[Waiting] = []
        seen: set[str] = set()
        for w in self.waiting:
            if w.subject not in seen and w.due_at <= now and len(found) < most:
                found.append(w)
            seen.add(w.subject)
        return found

    def next_due(self) -> int | None:
        """When something may be sent again (ms); `None`: nothing waits."""
        first: dict[str, int] = {}
        for w in self.waiting:
            first.setdefault(w.subject, w.due_at)
        return min(first.values(), default=None)

    def ordered(self, redelivery: Redelivery) -> Progress:
        """With an order to send again taken in."""
        if redelivery.no <= self.redelivery:
            return self
        after = msgspec.structs.replace(self, redelivery=redelivery.no)
        if redelivery.only or redelivery.after >= self.position:
            return after
        # What waits behind that position is read from the log again.
        kept = tuple(w for w in self.waiting if w.position <= redelivery.after)
        return msgspec.structs.replace(after, position=redelivery.after, waiting=kept)

    def with_events(self, position: int, events: Sequence[Waiting]) -> Progress:
        """With the log read up to a position, and what there is to send."""
        known = {(w.position, w.n) for w in self.waiting}
        fresh = tuple(w for w in events if (w.position, w.n) not in known)
        return msgspec.structs.replace(self, position=max(position, self.position), waiting=(*self.waiting, *fresh))


Outcome = Literal["delivered", "failed", "given-up"]


class Attempt(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One try: which event, when (ms), how long it took (ms), and what came of it: a status or an error, and the
    beginning of the answer.
    """

    event: str
    type: str
    subject: str
    position: int
    at: int
    took_ms: int
    no: int
    outcome: Outcome = "delivered"
    status: int | None = None
    error: str = ""
    answer: str = ""
    next_at: int | None = None


class Answered(msgspec.Struct, frozen=True):
    """What an endpoint said: `status` 0 if it said nothing, and why; `gone`: it wants no more, ever."""

    status: int
    error: str = ""
    answer: str = ""
    took_ms: int = 0

    @property
    def taken(self) -> bool:
        """Whether it took the event."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether it says that it is not there any more (410)."""
        return self.status == 410


def pause_ms(tries: int, luck: float) -> int | None:
    """How long to wait after so many tries; `None`: no more. `luck` in [0, 1) spreads the pauses."""
    if tries > len(RETRIES_MS):
        return None
    return int(RETRIES_MS[tries - 1] * (1 + JITTER * luck))


def after_answers(progress: Progress, answers: Sequence[tuple[Waiting, Answered]], now: int, luck: float) -> Progress:
    """What answers come to: what was taken is done with, the rest waits longer or is given up.

    An endpoint that takes anything again after it had failed is asked for all that waits at once.
    """
    by = {(w.position, w.n): a for w, a in answers}
    taken = any(a.taken for _, a in answers)
    waiting: list[Waiting] = []
    for w in progress.waiting:
        answered = by.get((w.position, w.n))
        if answered is None:
            waiting.append(w)
        elif not answered.taken:
            pause = pause_ms(w.tries + 1, luck)
            if pause is not None:
                waiting.append(msgspec.structs.replace(w, tries=w.tries + 1, due_at=now + pause))
    since = progress.failing_since
    if taken:
        if since is not None:
            failed = {k for k, a in by.items() if not a.taken}
            waiting = [w if (w.position, w.n) in failed else msgspec.structs.replace(w, due_at=0) for w in waiting]
        since = None
    elif answers and since is None:
        since = now
    return msgspec.structs.replace(progress, waiting=tuple(waiting), failing_since=since)


def attempt_of(w: Waiting, event: Mapping[str, Any], answered: Answered, at: int, after: Progress) -> Attempt:
    """A try as it is kept. `after`: the progress that the answers came to."""
    again = next((x for x in after.waiting if (x.position, x.n) == (w.position, w.n)), None)
    outcome: Outcome = "delivered" if answered.taken else "failed" if again is not None else "given-up"
    return Attempt(
        event=event["id"], type=event["type"], subject=w.subject, position=w.position, at=at, took_ms=answered.took_ms,
        no=w.tries + 1, outcome=outcome, status=answered.status or None, error=answered.error, answer=answered.answer,
        next_at=again.due_at if again is not None else None,
    )  # fmt: skip


def why_disabled(webhook: Webhook, progress: Progress, answers: Sequence[Answered], now: int) -> str:
    """Why an endpoint is switched off after these answers; empty if it is not. Five days count from when somebody
    switched it on (again).
    """
    if any(a.gone for a in answers):
        return "the endpoint answered 410: it is gone"
    since = progress.failing_since
    if since is not None and now - max(since, webhook.enabled_at or 0) >= DISABLED_AFTER_MS:
        return "every try of five days failed"
    return ""


def test_event(webhook: Webhook, at: str) -> dict[str, Any]:
    """The event that is sent on demand; `at` as it is written outside."""
    return {
        "specversion": "1.0",
        "id": hashlib.blake2b(f"{webhook.id}/test/{webhook.tests}".encode(), digest_size=12).hexdigest(),
        "source": f"/v1/orgs/{webhook.org}",
        "type": TEST,
        "subject": f"webhook/{webhook.id}",
        "time": at,
        "datacontenttype": "application/json",
        "data": {"webhook": webhook.id, "no": webhook.tests},
    }
