"""Files of web servers: whole or not at all, whatever the server does."""

import threading

import pull_files
import pull_web
import pytest
from pull_files import landed, sha256
from torchferry import _pull_http

MODEL = pull_files.safetensors({"w": 1.0}) + b"\0" * 100_000
DIGEST = sha256(MODEL)


@pytest.fixture(scope="module")
def web():
    with pull_web.web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(_pull_http, "PAUSE_SECONDS", 0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pull(tmp_path, capsys):
    store = tmp_path / "store"
    store.mkdir()

    def run(url, *flags):
        before = landed(store)
        status, out, err = pull_files.pull(capsys, url, store / "m", *flags)
        files = landed(store)
        if status != 0:
            assert files == before, err  # neither a version nor what was left of one
        return status, err, files

    return run


def refuses(result, message):
    status, err, _ = result
    assert status == 1
    assert message in err
    assert err.count("\n") == 1


def test_a_file_lands_as_it_is(web, pull):
    url = web.serve("/models/net.safetensors", pull_web.whole(MODEL))
    status, err, files = pull(url, "--sha256", DIGEST.upper())
    assert (status, files["m/1/net.safetensors"]) == (0, MODEL)
    assert b'"sha256": "%s"' % DIGEST.encode() in files["m/1/torchferry.json"]


def test_another_digest_is_refused(web, pull):
    url = web.serve("/wrong.pt", pull_web.whole(MODEL[:-1] + b"x"))
    refuses(pull(url, "--sha256", DIGEST), f"and {DIGEST} was expected; it is not the file that was published")


def test_what_was_cut_off_is_continued(web, pull):
    url = web.serve("/cut.pt", pull_web.cut(MODEL, 70_000, ETag='"one"'), pull_web.whole(MODEL, ETag='"one"'))
    status, _, files = pull(url, "--sha256", DIGEST)
    assert (status, files["m/1/cut.pt"]) == (0, MODEL)
    assert [headers.get("range") for headers in web.requested("/cut.pt")] == [None, "bytes=70000-"]


@pytest.mark.parametrize("tags", [('"one"', '"two"'), ('W/"one"', 'W/"one"')])
def test_what_may_be_another_file_meanwhile_begins_anew(web, pull, tags):
    path = f"/changed{len(tags[0])}.pt"
    old = b"x" * len(MODEL)
    url = web.serve(path, pull_web.cut(old, 70_000, ETag=tags[0]), pull_web.whole(MODEL, ETag=tags[1]))
    status, _, files = pull(url, "--sha256", DIGEST)
    assert (status, files[f"m/1/{path[1:]}"]) == (0, MODEL)


def test_another_part_than_the_one_asked_for_is_not_taken(web, pull):
    part = pull_web.status(206, **{"Content-Range": f"bytes 5-{len(MODEL) - 1}/{len(MODEL)}", "ETag": '"one"'})
    url = web.serve("/part.pt", pull_web.cut(MODEL, 70_000, ETag='"one"'), part, pull_web.whole(MODEL, ETag='"one"'))
    status, _, files = pull(url, "--sha256", DIGEST)
    assert (status, files["m/1/part.pt"]) == (0, MODEL)


def test_a_part_that_is_gone_begins_anew(web, pull):
    url = web.serve("/gone.pt", pull_web.cut(MODEL, 70_000, ETag='"one"'), pull_web.status(416), pull_web.whole(MODEL))
    status, _, files = pull(url, "--sha256", DIGEST)
    assert (status, files["m/1/gone.pt"]) == (0, MODEL)


def test_a_server_that_cuts_each_time_is_given_up(web, pull):
    url = web.serve("/always.pt", pull_web.cut(MODEL, 70_000))
    refuses(pull(url, "--sha256", DIGEST), f"ended after 70000 of {len(MODEL)} bytes; tried 5 times")
    assert len(web.requested("/always.pt")) == 5


def test_a_server_in_trouble_is_asked_again(web, pull):
    url = web.serve("/busy.pt", pull_web.status(503), pull_web.status(429), pull_web.whole(MODEL))
    assert pull(url, "--sha256", DIGEST)[0] == 0
    url = web.serve("/down.pt", pull_web.status(500))
    refuses(pull(url, "--sha256", DIGEST), "the server answered 500 Internal Server Error; tried 5 times")


@pytest.mark.parametrize(
    "code,hint", [(401, "; it asks for a login"), (403, ""), (404, "; look at the address"), (410, "")]
)
def test_a_refusal_is_final(web, pull, code, hint):
    url = web.serve(f"/refused{code}.pt", pull_web.status(code))
    refuses(pull(url, "--sha256", DIGEST), f"the server answered {code} ")
    assert len(web.requested(f"/refused{code}.pt")) == 1
    assert hint in pull(url, "--sha256", DIGEST)[1]


def test_a_silent_server_is_given_up(web, pull, monkeypatch):
    monkeypatch.setattr(_pull_http, "MAX_ATTEMPTS", 2)
    ended = threading.Event()
    url = web.serve("/silent.pt", pull_web.silent(MODEL, 100, ended))
    try:
        refuses(pull(url, "--sha256", DIGEST, "--timeout-seconds", "0.2"), "nothing more came in time after 100 bytes")
    finally:
        ended.set()


def test_nobody_there_is_said(pull):
    refuses(
        pull("http://127.0.0.1:1/m.pt", "--sha256", DIGEST), "http://127.0.0.1:1/m.pt: [Errno 111] Connection refused"
    )


def test_redirects_are_followed_up_to_five(web, pull):
    end = web.serve("/end.pt", pull_web.whole(MODEL))
    for number in range(6):
        web.serve(f"/hop{number}", pull_web.redirect(end if number == 0 else f"/hop{number - 1}", 301 + number % 2))
    status, _, files = pull(web.url + "/hop4", "--sha256", DIGEST)
    assert (status, files["m/1/hop4"]) == (0, MODEL)  # called as the address that was given


def test_more_redirects_are_refused(web, pull):
    web.serve("/loop", pull_web.redirect("/loop"))
    refuses(pull(web.url + "/loop", "--sha256", DIGEST), "redirects more than 5 times")
    end = web.serve("/end2.pt", pull_web.whole(MODEL))
    for number in range(6):
        web.serve(f"/six{number}", pull_web.redirect(end if number == 0 else f"/six{number - 1}"))
    refuses(pull(web.url + "/six5", "--sha256", DIGEST), "redirects more than 5 times")
    assert not web.requested("/end2.pt")


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/dev/null\\..", "gopher://x/"])
def test_a_redirect_to_another_kind_of_address_is_refused(web, pull, to):
    url = web.serve("/elsewhere.pt", pull_web.redirect(to))
    assert pull(url, "--sha256", DIGEST)[0] == 1


def test_a_redirect_out_of_https_is_refused():
    import urllib.request

    handler = _pull_http._Redirects()
    request = urllib.request.Request("https://example.org/net.pt?signature=secret")
    with pytest.raises(_pull_http.PullError) as error:
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/net.pt?signature=secret")
    assert "redirects to http://example.org/net.pt, which is no https address" in str(error.value)


def test_the_size_is_bounded_before_and_while_it_comes(web, pull):
    url = web.serve("/large.pt", pull_web.whole(MODEL))
    refuses(pull(url, "--sha256", DIGEST, "--max-size", "50KB"), "48.8 KiB are left of --max-size")
    url = web.serve("/endless.pt", pull_web.endless())
    refuses(pull(url, "--sha256", DIGEST, "--max-size", "1MB"), "left of --max-size")


def test_without_a_length_the_digest_is_needed(web, pull):
    url = web.serve("/old.pt", pull_web.without_length(MODEL))
    assert pull(url, "--sha256", DIGEST)[0] == 0
    source = _pull_http.HttpFile(url, None, None, 5)
    with pytest.raises(_pull_http.PullError, match="does not say how long the file is"):
        source._begin(source._opener.open(url), _NoTarget(), 1 << 30)


class _NoTarget:
    written = 0

    def restart(self):
        pass


def test_chunks_are_whole_or_refused(web, pull):
    url = web.serve("/chunks.pt", pull_web.chunked(MODEL))
    assert pull(url, "--sha256", DIGEST)[0] == 0
    url = web.serve("/torn.pt", pull_web.chunked(MODEL, is_complete=False))
    refuses(pull(url, "--sha256", DIGEST), "the connection ended after")


@pytest.mark.parametrize(
    "flags,message",
    [
        ([], "http:// is not encrypted"),
    ],
)
def test_http_needs_a_digest(web, pull, flags, message):
    url = web.serve("/plain.pt", pull_web.whole(MODEL))
    refuses(pull(url, *flags), message)
    assert not web.requested("/plain.pt")


def test_secrets_of_the_address_are_kept_out(web, pull):
    url = web.serve("/signed.pt", pull_web.whole(MODEL))
    status, err, files = pull(url + "?X-Signature=secret#part", "--sha256", DIGEST)
    assert status == 0
    assert b"secret" not in files["m/1/torchferry.json"] and "secret" not in err
    assert b'"source": "%s"' % url.encode() in files["m/1/torchferry.json"]
    refuses(pull("https://user:secret@127.0.0.1:1/m.pt"), "https://127.0.0.1:1/m.pt: a name and a password")


@pytest.mark.parametrize(
    "path,flags,message",
    [
        ("/", [], "names no file; give --as FILENAME"),
        ("/%2e%2e%2f..", [], "'..' is no file's name that a server reads"),
        ("/.hidden", [], "is no file's name"),
        ("/a%1b%5b2Jb", [], r"'a\x1b[2Jb' is no file's name"),
        ("/architecture.pt2", [], "give another name with --as"),
    ],
)
def test_a_name_that_a_server_does_not_read_is_refused(web, pull, path, flags, message):
    web.serve(path, pull_web.whole(MODEL))
    refuses(pull(web.url + path, "--sha256", DIGEST, *flags), message)
    status, _, files = pull(web.url + path, "--sha256", DIGEST, "--as", "net.pt")
    assert (status, files["m/1/net.pt"]) == (0, MODEL)
