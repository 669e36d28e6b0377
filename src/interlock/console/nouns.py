"""What can be set in the console: each noun with its fields and the operations of the API that read and write it."""

from __future__ import annotations

import msgspec

from interlock.console.fields import Field

AS_ORG = ("", "as the org has it")
YES_NO = (AS_ORG, ("yes", "yes"), ("no", "no"))
STRATEGIES = (
    ("longest-idle", "who is idle longest"), ("most-free-capacity", "who has most room"), ("round-robin", "in turn"),
)  # fmt: skip


class Noun(msgspec.Struct, frozen=True, kw_only=True):
    """One noun. `path`: of the list; `item`: of a record (`{id}` in it), if it is read elsewhere than below the list;
    `write`: where it is written, if that is elsewhere. `inside`: the body is this object's members.
    """

    name: str
    one: str
    many: str
    words: str
    type: str
    path: str
    read: str
    update: str
    create: str = ""
    remove: str = ""
    item: str = ""
    write: str = ""
    inside: str = ""
    fields: tuple[Field, ...] = ()
    column: tuple[str, ...] = ()

    @property
    def single(self) -> bool:
        """Whether there is one record of it, and no list."""
        return self.item == self.path

    @property
    def place(self) -> str:
        """Where one record is read."""
        return self.item or self.path + "/{id}"


LISTS: dict[str, tuple[str, str]] = {
    "schedule": ("/v1/schedules", "listSchedules"), "queue": ("/v1/routing/queues", "listQueues"),
    "status": ("/v1/routing/statuses", "listStatuses"), "skill": ("/v1/routing/skills", "listSkills"),
}  # fmt: skip
"""Lists that references choose from: path and operation."""

ROUTING = Noun(
    name="routing", one="Routing", many="Routing", words="How offers are made in the whole org.", type="org_settings",
    path="/v1/routing/org-settings", item="/v1/routing/org-settings", read="getOrgSettings", update="updateOrgSettings",
    fields=(
        Field(name="acceptRequired", label="Agents must accept an offer", kind="flag",
              hint="Without it, what is offered is theirs at once."),
        Field(name="acceptTimeoutSeconds", label="Seconds to accept", kind="number", least=5, most=600),
        Field(name="timeoutStatus", label="Status after an offer that ran out", kind="ref", of="status"),
        Field(name="strategy", label="Who is asked first", kind="choice", choices=STRATEGIES),
        Field(name="reofferSeconds", label="Seconds until those who declined are asked again", kind="number"),
        Field(name="capacity.total", label="Each agent carries", kind="number", hint="The sum of weights."),
        Field(name="capacity.channels", label="Of a channel at most", kind="pairs", hint="As in: voice 1, chat 3."),
        Field(name="autoUnassign", label="Take work from agents who go offline", kind="flag"),
        Field(name="requeueWhenOffline", label="Requeue it", kind="flag"),
        Field(name="requeueGraceSeconds", label="Seconds of grace before that", kind="number"),
        Field(name="schedule", label="Hours where a queue names none", kind="ref", of="schedule"),
        Field(name="voiceAfterWork", label="After a call, its agent is", kind="choice",
              choices=(("off", "as before"), ("manual", "busy till they say so"), ("restore", "busy till it is done"))),
        Field(name="unreachableSeconds", label="Unreachable after so many seconds without a sign of life",
              kind="number", least=10, most=3600, hint="Empty: nobody is."),
        Field(name="rulesWaitMs", label="Milliseconds the rules wait for a first message", kind="number", most=60_000),
        Field(name="sweepSeconds", label="Seconds between sweeps", kind="number", least=1, most=3600),
        Field(name="lagObjectiveSeconds", label="Seconds a copy may lag", kind="number", least=1, most=3600),
    ),
)  # fmt: skip
QUEUES = Noun(
    name="queues", one="Queue", many="Queues", words="Where work waits, in which order, against which target.",
    type="queue", path="/v1/routing/queues", read="listQueues", update="updateQueue", create="createQueue",
    column=("priority", "targetSeconds", "itemSize"),
    fields=(
        Field(name="name", label="Name", needed=True),
        Field(name="key", label="Key", hint="Rules and configuration name it by this."),
        Field(name="description", label="Description", kind="long"),
        Field(name="priority", label="Priority", kind="number", least=1, most=100, hint="1 is served first."),
        Field(name="applyToWaiting", label="A new priority holds for what waits, too", kind="flag", only="write"),
        Field(name="targetSeconds", label="Target, seconds to be taken", kind="number", least=0),
        Field(name="itemSize", label="Weight of an item", kind="number", least=1),
        Field(name="schedule", label="Hours", kind="ref", of="schedule"),
        Field(name="outsideHours", label="Outside of them", kind="choice",
              choices=(("hold", "what waits is held"), ("route", "it is routed all the same"))),
        Field(name="strategy", label="Who is asked first", kind="choice", choices=(AS_ORG, *STRATEGIES)),
        Field(name="sticky.by", label="Before them", kind="choice",
              choices=(("none", "nobody"), ("last-agent", "the last agent"), ("customer-owner", "the customer’s own"))),
        Field(name="sticky.seconds", label="Kept for them, seconds", kind="number"),
        Field(name="ageing.afterSeconds", label="Waited so many seconds", kind="number", hint="Empty: nothing ages."),
        Field(name="ageing.priority", label="it counts as of priority", kind="number", least=1, most=100),
        Field(name="returnedFirst", label="What comes back goes to the front", kind="flag"),
        Field(name="overrides.acceptRequired", label="Agents must accept", kind="choice", choices=YES_NO),
        Field(name="overrides.acceptTimeoutSeconds", label="Seconds to accept", kind="number", least=5, most=600,
              hint="Empty: as the org has it."),
        Field(name="archived", label="Archived: nothing new comes in", kind="flag"),
    ),
)  # fmt: skip
TEAMS = Noun(
    name="teams", one="Team", many="Teams", words="Which queues a team serves, and how much its agents carry.",
    type="team_routing_settings", path="/v1/teams", item="/v1/routing/settings/{id}", read="listRoutingSettings",
    update="updateRoutingSettings",
    fields=(
        Field(name="enabled", label="Its agents are routed to", kind="flag"),
        Field(name="queues", label="Queues it serves", kind="refs", of="queue", hint="At most ten."),
        Field(name="workItemCapacity", label="Each agent carries", kind="number", hint="Empty: as the org has it."),
        Field(name="offerRate.count", label="At most so many offers to one agent", kind="number", least=1),
        Field(name="offerRate.seconds", label="in so many seconds", kind="number", least=1, most=86_400),
    ),
)  # fmt: skip
SCHEDULES = Noun(
    name="schedules", one="Schedule", many="Schedules", words="Hours per weekday in a time zone, and closed days.",
    type="schedule", path="/v1/schedules", read="listSchedules", update="updateSchedule", create="createSchedule",
    remove="deleteSchedule", column=("timezone", "default"),
    fields=(
        Field(name="name", label="Name", needed=True),
        Field(name="timezone", label="Time zone", hint="As in: Europe/Paris."),
        Field(name="hours", label="Open", kind="hours", hint="As in: 09:00-12:30, 13:30-17:00. Empty: closed."),
        Field(name="default", label="In force wherever nothing else is named", kind="flag"),
        Field(name="holidayCountry", label="Closed on public holidays of", null=True, hint="A country, as in: FR."),
        Field(name="holidayRegion", label="and its region", null=True),
        Field(name="holidays", label="Closed days of your own", kind="days", hint="A day a line: 2026-12-25 Christmas"),
    ),
)  # fmt: skip
SKILLS = Noun(
    name="skills", one="Skill", many="Skills", words="What agents can do and items may ask for.", type="skill",
    path="/v1/routing/skills", read="listSkills", update="updateSkill", create="createSkill", remove="deleteSkill",
    column=("description",),
    fields=(Field(name="name", label="Name", needed=True), Field(name="description", label="Description", kind="long")),
)  # fmt: skip
AGENTS = Noun(
    name="agents", one="Agent’s limits", many="Agents", words="What one agent carries, where it is not their team’s.",
    type="user", path="/v1/users", read="listUsers", update="updateUserCapacity", inside="capacity",
    write="/v1/routing/users/{id}/capacity",
    fields=(
        Field(name="capacity.total", label="Carries", kind="number", hint="Empty: as the team or the org has it."),
        Field(name="capacity.channels", label="Of a channel at most", kind="pairs", hint="As in: voice 1, chat 3."),
    ),
)  # fmt: skip
ABILITIES = Noun(
    name="abilities", one="Agent’s skills", many="Agents’ skills", words="Who can do what, level 1 to 5.", type="user",
    path="/v1/users", read="listUsers", update="updateUserSkills", write="/v1/routing/users/{id}/skills",
    fields=(Field(name="skills", label="Skills", kind="levels", of="skill", hint="Level 1 to 5; none: cannot."),),
)  # fmt: skip
RULE = Noun(
    name="rules", one="Rule", many="Rules", words="The first that matches decides.", type="queue-rule",
    path="/v1/routing/queue-rules", read="listQueueRules", update="updateQueueRule", create="createQueueRule",
    remove="deleteQueueRule",
    fields=(
        Field(name="name", label="Name", needed=True),
        Field(name="description", label="Note", kind="long", hint="For whoever reads it in a year."),
        Field(name="enabled", label="On", kind="flag"),
        Field(name="criteria", label="If", kind="criteria"),
        Field(name="queue", label="Then to", kind="ref", of="queue"),
        Field(name="queueKey", label="or to the queue of this key", null=True, hint="As configuration files name it."),
    ),
)  # fmt: skip
SETTINGS: tuple[Noun, ...] = (ROUTING, QUEUES, TEAMS, SCHEDULES, SKILLS, AGENTS, ABILITIES)
NOUNS: dict[str, Noun] = {n.name: n for n in (*SETTINGS, RULE)}
