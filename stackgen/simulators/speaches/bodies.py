"""Refusals of Speaches, in the words of its libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..bodies import BodyError, Check, Complaint, Place
from ..door import Answer, Handler, RefusalError, Request
from .models import Store, kind_of


def refusal(detail: Any, status: int) -> RefusalError:
    """A refusal with its reason."""
    return RefusalError(Answer.json({"detail": detail}, status))


def checking(handler: Callable[[Store, Request], Answer], store: Store) -> Handler:
    """A handler whose complaints about a body become the answer."""

    def answer(request: Request) -> Answer:
        try:
            return handler(store, request)
        except BodyError as error:
            raise refusal([_detail(complaint) for complaint in error.complaints], 422) from error

    return answer


def _detail(complaint: Complaint) -> dict[str, Any]:
    context = {"ctx": dict(complaint.context)} if complaint.context else {}
    return {
        "type": complaint.kind,
        "loc": list(complaint.place),
        "msg": complaint.message,
        "input": complaint.given,
        **context,
    }


def literal(*words: str) -> Check:
    """One of at least two words."""
    spelled = [f"'{word}'" for word in words]
    expected = f"{', '.join(spelled[:-1])} or {spelled[-1]}"

    def check(value: Any, place: Place) -> Any:
        if value not in words:
            message, context = f"Input should be {expected}", {"expected": expected}
            complaint = Complaint(kind="literal_error", place=place, message=message, given=value, context=context)
            raise BodyError([complaint])
        return value

    return check


def check_model(store: Store, model: str, kind: str) -> None:
    """Refuse a model that is not here, or does other work; raises RefusalError."""
    if model not in store.models():
        message = (
            f"Model '{model}' is not installed locally. You can download the model using `POST /v1/models/{model}`"
        )
        raise refusal(message, 404)
    if kind_of(model) != kind:
        raise refusal(f"Model '{model}' is not supported. If you think this is a mistake, please open an issue.", 404)
