"""The threads of a running server have names, so that top, perf and gdb show whose time it is."""

import pathlib

NAMES = {"rpc-loop", "worker", "loader", "reaper", "store-watch", "device-monitor", "http"}


def thread_names(server):
    """{thread ID: name}."""
    folder = pathlib.Path(f"/proc/{server.process.pid}/task")
    return {int(file.parent.name): file.read_text().rstrip("\n") for file in folder.glob("*/comm")}


def test_each_thread_is_named_for_what_it_does(store, start):
    store.add("mlp")
    server = start("--watch", "--workers", "2", "--grpc-threads", "1")
    names = thread_names(server)
    assert NAMES <= set(names.values()), names
    assert list(names.values()).count("worker") == 2, names
    unnamed = [thread for thread, name in names.items() if name.startswith("torchferry")]
    assert unnamed == [server.process.pid], names  # main alone has the program's name
