"""An interpreter that a test keeps and asks over a loopback port (CeleryApp::ask).

A request is its length in digits and CR LF, then Python; the answer likewise: `+` and JSON, or `-`
and a traceback.
"""
import ast
import json
import socket
import sys
import traceback

import asking

names = dict(vars(asking))


def value_of(source):
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, '<test>', 'exec'), names)
    return eval(compile(ast.Expression(last.value), '<test>', 'eval'), names) if last else None


def serve(connection):
    stream = connection.makefile('rwb')
    source = stream.read(int(stream.readline())).decode()
    try:
        answer = '+' + json.dumps(value_of(source), default=repr)
    except Exception:
        answer = '-' + traceback.format_exc()
    data = answer.encode()
    stream.write(b'%d\r\n' % len(data) + data)
    stream.flush()


listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('listening')
while True:
    peer, _ = listener.accept()
    with peer:
        serve(peer)
