"""Files of identities for the tests, and who calls with which of their tokens."""

import datetime
import hashlib
import os
import pathlib
import secrets


def digest(token):
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def utc(seconds_from_now):
    """As the file writes it."""
    time = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds_from_now)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class People:
    """One file of identities. Each identity has one token, `tokens[NAME]`, unless it is said otherwise."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "people"
        self.tokens = {}
        self.entries = {}
        self.write()

    def add(self, name, roles, models="*", expires=None, lines=()):
        """`roles` and `models` as the file has them; `expires`: of its token; `lines`: further ones."""
        token = self.tokens.setdefault(name, secrets.token_urlsafe(32))
        own = [f"roles {roles}", f"models {models}", f"token {digest(token)}" + (f" expires {expires}" if expires else "")]
        self.entries[name] = [*own, *lines]
        self.write()
        return token

    def remove(self, name):
        del self.entries[name]
        self.write()

    def write(self, more=""):
        """The file, replaced as a whole."""
        text = "".join(f"identity {name}\n" + "".join(f"  {line}\n" for line in lines) for name, lines in self.entries.items())
        partial = self.path.with_suffix(".partial")
        partial.write_text("# made by a test\n" + text + more)
        partial.chmod(0o600)
        os.replace(partial, self.path)

    def flags(self):
        return ("--identities", str(self.path))

    def metadata(self, name):
        return bearer(self.tokens[name])


def bearer(token):
    """The metadata of a call with that token."""
    return (("authorization", f"Bearer {token}"),)
