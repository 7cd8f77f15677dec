"""The task of latency_bench for a Celery worker: notes how long it took from when it was due, and
from when it was published, to its first line; microseconds of the clock that all processes of a
machine share."""
import os
import time

from app import app

SAMPLES = os.open(os.environ['UMBEL_BENCH_SAMPLES'], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@app.task(name='stamp', ignore_result=True)
def stamp(number, due, published):
    now = time.monotonic_ns() // 1000
    os.write(SAMPLES, b'%d %d %d\n' % (number, now - due, now - published))
