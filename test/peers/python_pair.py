#!/usr/bin/env python3
"""An echo server and a client in Python, to measure beside the programs in Java.

    python3 test/peers/python_pair.py threads --size 1024 --repeat 2000
    python3 test/peers/python_pair.py asyncio --size 16384 --repeat 1000

The server is a process of its own: a thread for each connection, or asyncio streams. The client
is the same for both and follows the published procedure: one connection, one message in flight,
sendall, recv until all of it is there, perf_counter around both, and no warm-up. Socket options
are those that one gets without asking: asyncio sets TCP_NODELAY, a plain socket does not.
The result is one line of JSON, with the names that EchoClient.java --json uses.
"""
import argparse
import asyncio
import json
import math
import os
import platform
import socket
import subprocess
import sys
import threading
import time

READ = 65536  # bytes taken by one read at most


def announce(listener):
    """Tells the client, which reads our standard output, where to connect."""
    print(listener.getsockname()[1], flush=True)


def end_with_the_client():
    """Ends the server when the client is gone, however that ended: the pipe to it is closed."""
    sys.stdin.read()
    os._exit(0)


def serve_with_threads():
    def echo(connection):
        with connection:
            while data := connection.recv(READ):
                connection.sendall(data)

    listener = socket.create_server(("127.0.0.1", 0))
    announce(listener)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def serve_with_asyncio():
    async def echo(reader, writer):
        while data := await reader.read(READ):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        announce(server.sockets[0])
        await server.serve_forever()

    asyncio.run(serve())


def round_trip(connection, message):
    """Sends a message; returns what came back, in how many reads, and after how many seconds."""
    echo = bytearray()
    reads = 0
    start = time.perf_counter()
    connection.sendall(message)
    while len(echo) < len(message):
        data = connection.recv(READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        echo += data
        reads += 1
    return echo, reads, time.perf_counter() - start


def percentile(ordered, p):
    """By nearest rank: of 2000 values, p95 is the 1900th."""
    return ordered[max(1, math.ceil(len(ordered) * p / 100)) - 1]


def measure(port, size, repeat):
    message = os.urandom(size)
    times = []
    reads = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        began = time.perf_counter()
        for _ in range(repeat):
            echo, pieces, seconds = round_trip(connection, message)
            if echo != message:
                raise ValueError("INVALID: what came back is not what was sent")
            times.append(seconds * 1e6)
            reads += pieces
        elapsed = time.perf_counter() - began
    return elapsed, times, reads


def result(size, repeat, elapsed, times, reads):
    times.sort()
    rtt = {"min": times[0], "mean": sum(times) / repeat}
    for name, p in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("p99_9", 99.9)):
        if repeat * (100 - p) >= 99.999:  # fewer say nothing about it: p99.9 needs 1000
            rtt[name] = percentile(times, p)
    rtt["max"] = times[-1]
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": " ".join(["python3", *sys.argv]),
        "message_bytes": size,
        "connections": 1,
        "messages": repeat,
        "elapsed_s": elapsed,
        "messages_s": repeat / elapsed,
        "throughput_mib_s": repeat * size / elapsed / 2**20,
        "rtt_us": {name: round(value, 3) for name, value in rtt.items()},
        "reads_mean": reads / repeat,
        "environment": {"python": platform.python_version(), "os": platform.platform(),
                        "cores": os.cpu_count()},
        "valid": True,
    }


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main():
    parser = argparse.ArgumentParser(description="A Python echo pair, measured: one line of JSON.")
    parser.add_argument("server", choices=("threads", "asyncio"))
    parser.add_argument("--size", type=positive, default=1024, help="bytes of a message [1024]")
    parser.add_argument("--repeat", type=positive, default=2000, help="messages [2000]")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        threading.Thread(target=end_with_the_client, daemon=True).start()
    if options.serve and options.server == "threads":
        serve_with_threads()
    elif options.serve:
        serve_with_asyncio()
    server = subprocess.Popen([sys.executable, __file__, options.server, "--serve"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        elapsed, times, reads = measure(port, options.size, options.repeat)
    except (OSError, ValueError) as error:
        sys.exit(f"python_pair.py: {error}")
    finally:
        server.kill()
        server.wait()
    print(json.dumps(result(options.size, options.repeat, elapsed, times, reads)))


if __name__ == "__main__":
    main()
