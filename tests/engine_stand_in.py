"""An engine for tests of verbs that look: containers and logs that a test writes down."""

from __future__ import annotations

from stackgen.errors import DockerError
from stackgen.runtime import ContainerState


def container(service, **changed):
    """A container that runs and is healthy, with what a test changes."""
    facts = {
        "service": service,
        "id": f"id-{service}",
        "image": "python:3.13-slim",
        "status": "running",
        "health": "healthy",
        "exit_code": 0,
        "out_of_memory": False,
        "restarts": 0,
        "started_at": "2026-11-21T14:00:00.000000001Z",
    }
    return ContainerState(**facts | changed)


def stamped(second, text):
    """A line as Docker sends it, with the time before it."""
    return f"2026-11-21T14:00:{second:02d}.000000000Z {text}\n".encode()


class Engine:
    """Containers by project, and for each container the pieces in which Docker sends its log."""

    def __init__(self, containers=(), logs=None, unreadable=()):
        self.states = list(containers)
        self.logs = logs or {}
        self.unreadable = unreadable

    def containers(self, project):
        return sorted(self.states, key=lambda state: state.service)

    def has_volume(self, name):
        return False

    def log_chunks(self, identifier, *, tail, since_seconds, follow):
        if identifier in self.unreadable:
            raise DockerError("Docker refuses: configured logging driver does not support reading")
        chunks = self.logs.get(identifier, [])
        yield from chunks if tail is None else chunks[max(0, len(chunks) - tail) :]
