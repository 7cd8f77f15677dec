"""What the tests' interpreter has at hand (CeleryApp::ask)."""
import datetime
import json
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


def in_seconds(seconds, kind='utc'):
    """A moment as users write it: aware in UTC or in another zone, or naive, which means UTC."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    if kind == 'naive':
        return moment.replace(tzinfo=None)
    if kind == 'oslo':
        return moment.astimezone(datetime.timezone(datetime.timedelta(hours=1)))
    return moment


def publish(queue, body, headers, **properties):
    """A message as it is, byte by byte."""
    properties.setdefault('content_type', 'application/json')
    properties.setdefault('content_encoding', 'utf-8')
    if isinstance(body, str):
        body = body.encode()
    with app.producer_pool.acquire(block=True) as producer:
        channel = producer.channel
        message = channel.prepare_message(
            body, properties.pop('priority', 0), properties.pop('content_type'),
            properties.pop('content_encoding'), headers, properties)
        channel.basic_publish(message, exchange='', routing_key=queue)


def raw(queue, task, args, **headers):
    """The least that is a task message, with other headers than Celery would write."""
    name = str(uuid.uuid4())
    result = AsyncResult(name)
    publish(queue, json.dumps([args, {}, {}]), {'task': task, 'id': name, **headers},
            correlation_id=name, reply_to=app.thread_oid)
    return result


def fetch(queue, patience=PATIENCE):
    """The next message of a queue, taken off it."""
    with app.connection_or_acquire() as connection:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            message = connection.default_channel.basic_get(queue, no_ack=True)
            if message:
                return {'headers': message.headers, 'properties': message.properties,
                        'body': json.loads(message.body)}
            time.sleep(0.01)
    raise TimeoutError('nothing in %s' % queue)


def told(method, arguments, nodes, timeout=10, limit=None, **filters):
    """What nodes answer to a command of remote control, by node."""
    answers = app.control.broadcast(
        method, arguments=arguments, destination=nodes, reply=True, timeout=timeout,
        limit=limit or (len(nodes) if nodes else None), **filters)
    return {node: answer for each in answers or [] for node, answer in each.items()}


def shell(line):
    """A command of the `celery` program, run in here: starting one each takes a second."""
    import contextlib
    import io

    from celery.bin.celery import celery

    output = io.StringIO()
    status = 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            celery.main(['-A', 'app', '--no-color', *line.split()], prog_name='celery')
        except SystemExit as ended:
            status = ended.code or 0
    return {'status': status, 'output': output.getvalue()}


class Watching:
    """Celery's own monitor: an event receiver that feeds celery.events.State, from now on."""

    def __init__(self):
        self.state = app.events.State()
        receiver = app.events.Receiver(app.connection_for_read(), handlers={'*': self.take})
        self.context = receiver.consumer_context(wakeup=True)
        self.connection, _, _ = self.context.__enter__()

    def take(self, event):
        self.state.event(event)

    def until(self, holds, patience=PATIENCE):
        end = time.monotonic() + patience
        while not holds(self.state):
            if time.monotonic() > end:
                raise TimeoutError('%r %r' % (dict(self.state.tasks), dict(self.state.workers)))
            try:
                self.connection.drain_events(timeout=0.2)
            except OSError:  # nothing came
                pass

    def task(self, name):
        task = self.state.tasks[name]
        return {key: getattr(task, key) for key in (
            'state', 'name', 'args', 'kwargs', 'result', 'exception', 'traceback', 'runtime',
            'retries', 'root_id', 'parent_id', 'received', 'started', 'succeeded', 'failed')
            } | {'worker': task.worker.hostname}

    def worker(self, name):
        worker = self.state.workers[name]
        return {key: getattr(worker, key) for key in (
            'alive', 'freq', 'pid', 'active', 'processed', 'loadavg', 'sw_ident', 'sw_ver',
            'sw_sys', 'clock', 'hostname')}


def eventually(holds, patience=PATIENCE):
    """The first value of `holds()` that is true."""
    until = time.monotonic() + patience
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > until:
            raise TimeoutError('it never held')
        time.sleep(0.02)


def random_canvas(random, steps):
    """A chain of additions and of groups that are summed up, each by either side, and its value."""
    def side():
        return random.choice([(cpp, 'add', 'total'), (py, 'py.add', 'py.total')])

    make, adds, _ = side()
    value = random.randrange(100)
    canvas = make(adds, value, 0)
    for _ in range(steps):
        if random.random() < 0.6:
            make, adds, _ = side()
            more = random.randrange(100)
            canvas, value = canvas | make(adds, more), value + more
        else:
            parts, total = [], 0
            for _ in range(random.randrange(2, 6)):
                make, adds, _ = side()
                more = random.randrange(100)
                parts.append(make(adds, more))
                total += value + more
            make, _, totals = side()
            canvas, value = canvas | group(parts) | make(totals), total
    return canvas, value


def wrong_canvases(seed, count, steps=4):
    """Of so many random canvases that run at the same time, those that came out wrong."""
    import random

    made = random.Random(seed)
    expected = [random_canvas(made, made.randrange(1, steps)) for _ in range(count)]
    started = [(canvas, canvas.delay(), value) for canvas, value in expected]
    return [[repr(canvas), value, ended] for canvas, value, ended in
            ((canvas, value, outcome(result)) for canvas, result, value in started)
            if ended != {'value': value}]
