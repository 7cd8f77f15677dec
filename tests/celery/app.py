"""The Celery application of the tests: tasks that a Python user of a mixed cluster would have.

UMBEL_TEST_BROKER and UMBEL_TEST_BACKEND are its URLs. UMBEL_TEST_SETTINGS is JSON of more settings.
UMBEL_TEST_DIR is a folder in which tasks leave marks.
"""
import json
import os
import time

from celery import Celery
from celery.exceptions import Ignore, Reject

app = Celery('interop', broker=os.environ['UMBEL_TEST_BROKER'],
             backend=os.environ.get('UMBEL_TEST_BACKEND') or None)
app.conf.update(
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry=True,
    task_send_sent_event=False,
)
app.conf.update(json.loads(os.environ.get('UMBEL_TEST_SETTINGS') or '{}'))


class Refused(Exception):
    """An exception of the application's own, with two arguments."""


def mark(name, text):
    """Appends a line to a file of the test's folder."""
    with open(os.path.join(os.environ['UMBEL_TEST_DIR'], name), 'a') as file:
        file.write(text + '\n')


@app.task(name='py.noop', ignore_result=True)
def noop():
    pass


@app.task(name='py.add')
def add(x, y):
    return x + y


@app.task(name='py.total')
def total(numbers):
    return sum(numbers)


@app.task(name='py.echo')
def echo(*args, **kwargs):
    return {'args': args, 'kwargs': kwargs}


@app.task(name='py.fail')
def fail(message):
    raise ValueError(message)


@app.task(name='py.refuse')
def refuse(why, code):
    raise Refused(why, code)


@app.task(name='py.sleep')
def sleep(seconds):
    time.sleep(seconds)
    return seconds


@app.task(name='py.mark', acks_late=True, reject_on_worker_lost=True)
def mark_and_sleep(name, seconds=0):
    mark(name, 'began %d' % os.getpid())
    time.sleep(seconds)
    mark(name, 'ended %d' % os.getpid())
    return name


@app.task(name='py.note')
def note(value, name):
    """A callback: it gets a result, or as an errback the id of the task that failed."""
    mark(name, str(value))


@app.task(name='py.stubborn', bind=True, max_retries=3, default_retry_delay=0.1)
def stubborn(self, succeeds_at):
    if self.request.retries < succeeds_at:
        raise self.retry(exc=KeyError('not yet'))
    return self.request.retries


@app.task(name='py.ignored', bind=True)
def ignored(self):
    raise Ignore()


@app.task(name='py.rejected', bind=True, acks_late=True)
def rejected(self):
    raise Reject('no reason', requeue=False)


@app.task(name='py.told', bind=True)
def told(self, *args):
    """What a task can see of its own message."""
    request = self.request
    return {'args': args, 'id': request.id, 'root_id': request.root_id,
            'parent_id': request.parent_id, 'group': request.group, 'retries': request.retries,
            'priority': request.delivery_info.get('priority'), 'eta': request.eta,
            'expires': request.expires, 'origin': request.origin, 'timelimit': request.timelimit,
            'argsrepr': request.argsrepr, 'kwargsrepr': request.kwargsrepr,
            'reply_to': request.reply_to, 'headers': request.headers}
