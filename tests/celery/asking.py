"""What the tests' interpreter has at hand (CeleryApp::ask)."""
import time
import uuid

from celery import chain, chord, group
from celery.result import AsyncResult
from kombu import Exchange, Queue

from app import app

PATIENCE = 20  # seconds for an answer that must come


def cpp(name, *args, **options):
    """A signature of one of Umbel's tasks, on Umbel's queue."""
    return app.signature(name, args=args, **{'queue': 'umbel', **options})


def py(name, *args, **options):
    """A signature of one of our own tasks, on Celery's queue."""
    return app.signature(name, args=args, **{'queue': 'celery', **options})


def outcome(result, patience=PATIENCE):
    """How a task ended: its value, or the exception as its type's full name and arguments."""
    try:
        return {'value': result.get(timeout=patience)}
    except Exception as error:  # any that the worker stored
        kind = type(error)
        return {'raised': '%s.%s' % (kind.__module__, kind.__qualname__),
                'args': [each if isinstance(each, (str, int, float)) else repr(each)
                         for each in error.args],
                'bases': [base.__name__ for base in kind.__mro__]}
