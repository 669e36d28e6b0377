"""The roles that open each operation, by the reference's names; any one of the listed ones suffices."""

from __future__ import annotations

Roles = tuple[str, ...]

ROUTING_READ = "org.user.routing.read"
ROUTING_WRITE = "org.user.routing.write"
ROUTING_ADMIN = "org.admin.routing.write"


def _routing(permission: str, legacy: str) -> Roles:
    """`queue.read` by its own permission, by the routing one of the same verb, or by the legacy name."""
    verb = permission.rsplit(".", 1)[1]
    return f"org.permission.{permission}", f"org.permission.routing.{verb}", legacy


def _object(name: str, verb: str) -> Roles:
    """`conversation`, `create`: the permission, or the legacy name for reading or writing."""
    legacy = "read" if verb == "read" else "write"
    return f"org.permission.{name}.{verb}", f"org.user.{name}.{legacy}"


QUEUE_RULE_READ = _routing("queue_rule.read", ROUTING_READ)
QUEUE_RULE_CREATE = _routing("queue_rule.create", ROUTING_ADMIN)
QUEUE_RULE_UPDATE = _routing("queue_rule.update", ROUTING_ADMIN)
QUEUE_RULE_DELETE = _routing("queue_rule.delete", ROUTING_ADMIN)
QUEUE_READ = _routing("queue.read", ROUTING_READ)
QUEUE_CREATE = _routing("queue.create", ROUTING_ADMIN)
QUEUE_UPDATE = _routing("queue.update", ROUTING_ADMIN)
STATUS_READ = (*_routing("routing_status.read", ROUTING_READ), "org.admin.routing.read")
STATUS_CREATE = _routing("routing_status.create", ROUTING_ADMIN)
STATUS_UPDATE = _routing("routing_status.update", ROUTING_ADMIN)
SETTINGS_READ = ("org.permission.routing.read", ROUTING_READ)
SETTINGS_UPDATE = ("org.permission.routing.update", ROUTING_ADMIN)
ITEM_READ = ("org.permission.routing.read", ROUTING_READ)
ITEM_CREATE = ("org.permission.routing.create", ROUTING_WRITE)
ITEM_UPDATE = ("org.permission.routing.update", ROUTING_WRITE)
SESSION_READ = _routing("work_session.read", ROUTING_READ)
SESSION_UPDATE = _routing("work_session.update", ROUTING_WRITE)

CONVERSATION_READ = _object("conversation", "read")
CONVERSATION_CREATE = _object("conversation", "create")
CONVERSATION_UPDATE = _object("conversation", "update")
CONVERSATION_DELETE = _object("conversation", "delete")
MESSAGE_READ = _object("message", "read")
MESSAGE_CREATE = _object("message", "create")
NOTE_READ = _object("note", "read")
NOTE_CREATE = _object("note", "create")
TAG_READ = _object("tag", "read")
TAG_ADMIN = ("org.permission.tag.create", "org.permission.tag.update", "org.admin.tag.write")
SHORTCUT_READ = _object("shortcut", "read")
SHORTCUT_ADMIN = ("org.permission.shortcut.create", "org.permission.shortcut.update", "org.admin.shortcut.write")
SEARCH_READ = _object("search", "read")
AUDIT_READ = _object("audit_logs", "read")
CUSTOMER_READ = _object("customer", "read")
CUSTOMER_CREATE = _object("customer", "create")
CUSTOMER_UPDATE = _object("customer", "update")
USER_READ = ("org.permission.user.read", "org.user.user.read")
USER_ADMIN = ("org.permission.user.create", "org.permission.user.update", "org.admin.user.write")
TEAM_READ = ("org.permission.team.read", "org.user.team.read")
TEAM_ADMIN = ("org.permission.team.create", "org.permission.team.update", "org.admin.team.write")
SCHEDULE_READ = _object("schedule", "read")
SCHEDULE_CREATE = (*_object("schedule", "create"), "org.admin.schedule.write")
SCHEDULE_UPDATE = (*_object("schedule", "update"), "org.admin.schedule.write")
SCHEDULE_DELETE = (*_object("schedule", "delete"), "org.admin.schedule.write")
SKILL_READ = _routing("skill.read", ROUTING_READ)
SKILL_CREATE = _routing("skill.create", ROUTING_ADMIN)
SKILL_UPDATE = _routing("skill.update", ROUTING_ADMIN)
SKILL_DELETE = _routing("skill.delete", ROUTING_ADMIN)
SKILL_RULE_READ = _routing("skill_rule.read", ROUTING_READ)
SKILL_RULE_CREATE = _routing("skill_rule.create", ROUTING_ADMIN)
SKILL_RULE_UPDATE = _routing("skill_rule.update", ROUTING_ADMIN)
SKILL_RULE_DELETE = _routing("skill_rule.delete", ROUTING_ADMIN)
EVENT_READ = _object("event", "read")
INCIDENT_UPDATE = _routing("incident.update", ROUTING_ADMIN)
WEBHOOK_READ = ("org.permission.outbound_webhook.read", "org.admin.outbound_webhook.read")
WEBHOOK_ADMIN = (
    "org.permission.outbound_webhook.create",
    "org.permission.outbound_webhook.update",
    "org.admin.outbound_webhook.write",
)
WORKFLOW_READ = ("org.permission.workflow.read", "org.admin.workflow.read")
WORKFLOW_ADMIN = ("org.permission.workflow.create", "org.permission.workflow.update", "org.admin.workflow.write")
KEY_ADMIN = ("org.permission.api_key.create", "org.admin.api_key.write")
KEY_READ = ("org.permission.api_key.read", "org.admin.api_key.read")
ANYBODY = ("org.user", "org.admin", "org.permission.routing.read", ROUTING_READ)
"""Whoever works here: coarse roles suffice."""
