"""A version whose loading ends the server is loaded twice and not for ever: the others serve."""

import contextlib
import signal

import pytest

import harness
from harness import Client, check_message, cli
from wire import oip, pb, reference

SLOW = "slow_to_load"


@pytest.fixture
def serve(store, tmp_path):
    """serve(*flags): a server over `store` that keeps its state in a folder of the test's own."""
    state = tmp_path / "state"
    state.mkdir()
    store.add("mlp")
    store.add(SLOW)
    servers = []

    def serve_one(*flags):
        servers.append(harness.Server(store, tmp_path / f"server{len(servers)}", "--state-dir", str(state), *flags))
        servers[-1].state = state
        return servers[-1].wait_listening()

    yield serve_one
    for server in servers:
        server.kill()
        print(f"--- log of {server.folder.name}\n{server.log()}")


def marks(server):
    """What the folder says of running loads."""
    texts = []
    for path in server.state.rglob("load-*"):
        if not path.name.endswith(".partial"):  # written, but not there yet
            with contextlib.suppress(FileNotFoundError):
                texts.append(path.read_text())
    return [text for text in texts if "loading 1\n" in text]


def wait_loading(server):
    harness.wait_until(lambda: any(SLOW in text for text in marks(server)), lambda: f"{SLOW} is loading\n{server.log()}")


def end_while_loading(server, number=signal.SIGKILL):
    wait_loading(server)
    server.signal(number)
    return server.wait_exit()


def replace_file(store):
    """By another one with the same content."""
    file = store.path / SLOW / "1" / "model.pt"
    beside = store.path / "beside"
    beside.write_bytes(file.read_bytes())
    beside.rename(file)


def test_what_ended_the_server_twice_is_not_loaded_again(serve):
    for _ in range(2):
        end_while_loading(serve())
    for _ in range(2):  # and it stays so
        server = serve().wait_settled()
        with Client(server.address) as client:
            failed = client.model(SLOW)
            assert failed.state == pb.MODEL_STATE_FAILED
            check_message(failed.error_message, f"{SLOW}/1: the server ended twice while it was loading this version")
            assert client.predict("mlp", {"x": reference("mlp", "x", 1)}).outputs
        server.stop()
    assert "the server ended while it loaded this version" not in server.log()


def test_one_end_is_forgiven_when_loading_succeeds(serve):
    end_while_loading(serve())
    server = serve().wait_settled()
    with Client(server.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_READY
    assert "the server ended while it loaded this version" in server.log()
    server.stop()
    end_while_loading(serve())
    server = serve().wait_settled()
    with Client(server.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_READY


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_intended_end_counts_nothing(serve, number):
    for _ in range(3):
        assert end_while_loading(serve("--drain-timeout-seconds", "0"), number) == 0
    server = serve().wait_settled()
    with Client(server.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_READY


def test_it_is_tried_again_when_it_is_asked_for_by_name_and_when_its_files_change(serve, store):
    for _ in range(2):
        end_while_loading(serve())
    server = serve("--enable-admin", "--watch", "--watch-interval-seconds", "0.1").wait_settled()
    loaded = cli(server.address, "load", f"{SLOW}:1")
    assert loaded.returncode == 0, loaded.stderr
    server.stop()
    for _ in range(2):
        end_while_loading(serve())
    server = serve("--watch", "--watch-interval-seconds", "0.1").wait_settled()
    with Client(server.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_FAILED
        replace_file(store)
        harness.wait_until(lambda: client.model(SLOW).state == pb.MODEL_STATE_READY,
                           lambda: f"the changed files are loaded\n{server.log()}")


def test_a_reload_that_ends_the_server_counts_too(serve, store):
    """A version that serves is loaded anew, as its files have changed, and that ends the server."""
    server = serve("--watch", "--watch-interval-seconds", "0.1").wait_settled()
    replace_file(store)
    end_while_loading(server)
    end_while_loading(serve())
    server = serve().wait_settled()
    with Client(server.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_FAILED


def test_a_load_by_rpc_that_ends_the_server_counts_too(serve, store):
    (store.path / SLOW).rename(store.path.parent / "set_aside")
    server = serve("--enable-admin").wait_ready()
    (store.path.parent / "set_aside").rename(store.path / SLOW)
    with Client(server.address) as client:
        call = client.open_stub.RepositoryModelLoad.future(oip.RepositoryModelLoadRequest(model_name=SLOW))
        end_while_loading(server)
        assert call.code() == harness.Code.UNAVAILABLE
    end_while_loading(serve())
    server = serve().wait_settled()
    with Client(server.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_FAILED


def test_without_a_folder_it_is_said_once_and_served(store, start, tmp_path):
    store.add("mlp")
    server = start()
    assert server.log().count("without --state-dir") == 1
    server = start("--state-dir", str(tmp_path), "--log-format", "json")
    assert "without --state-dir" not in server.log()


def test_servers_that_share_a_folder_do_not_disturb_each_other(serve):
    first = serve()
    wait_loading(first)
    second = serve().wait_settled()
    with Client(second.address) as client:
        assert client.model(SLOW).state == pb.MODEL_STATE_READY
    assert "the server ended while it loaded" not in second.log()
