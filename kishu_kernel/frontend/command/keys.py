"""Commands about keys: this user's own, and whom he trusts.

Neighbours: `store.format.team_files` keeps keys for signatures, `store.remote.recipients` those for encryption;
`commands` has `trust`, which adds to them.
"""

from __future__ import annotations

import datetime
import getpass
import socket
from contextlib import suppress

import click

from kishu_kernel.errors import RemoteError, StoreError
from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.command.terminal import examples, json_option, note
from kishu_kernel.frontend.printable import printable
from kishu_kernel.store.format import team_files
from kishu_kernel.store.format.signing import signing_policy
from kishu_kernel.store.format.signing_policy import SIGNING_KEY, SigningPolicy, policy_of_environment
from kishu_kernel.store.format.team import fingerprint, public_line
from kishu_kernel.store.format.team_files import KnownKey


@click.command(epilog=examples("jupyter kishu keys", "jupyter kishu keys --new"))
@click.option("--new", "renew", is_flag=True, help="Sign with a new key from now on.")
@json_option
def keys(renew: bool, for_programs: bool) -> None:
    """Show your public keys, and whom you trust.

    What you write is signed with your key from the day that you have one; this command makes it. Others load what you
    wrote after `jupyter kishu trust --key` with the line that it shows. With --new you get another one; what the old
    one signed stays trusted here, and others must trust both.

    It needs the extra "team": pip install 'kishu-kernel[team]'.
    """
    policy = signing_policy()
    if renew:
        _renew(policy)
    own = team_files.own_key(policy)
    if own is None:
        raise StoreError(f"your key cannot be written to {policy.key_file}: name another file in KISHU_SIGNING_KEY")
    line = public_line(own.public, _called())
    age = _age_key()
    known = team_files.known_keys(policy)
    mode = policy_of_environment(policy.directory).mode
    if for_programs:
        listed = [{"name": each.name, "key": public_line(each.key), "revoked": each.revoked} for each in known]
        click.echo(tables.as_json({"key": line, "age": age, "signing": mode, "trusted": listed}))
        return
    click.echo(f"Your key; others trust what you write by `jupyter kishu trust --key '...'`:\n  {printable(line)}")
    if age:
        click.echo(f"Your age key; others encrypt for you by `jupyter kishu push STORE --recipient`:\n  {age}")
    click.echo(f"Signatures are {mode}.")
    for title, revoked in (("You trust:", False), ("You trust no more:", True)):
        lines = [f"  {_shown(each)}" for each in known if each.revoked is revoked]
        if lines:
            click.echo("\n".join((title, *lines)))


def trust_keys(text: str, for_programs: bool) -> None:
    """Trusts the public keys in a line or a file: what they signed is loaded from now on."""
    policy = signing_policy()
    team_files.own_key(policy)  # without the extra nothing of this would work
    named = team_files.keys_named(text)
    before = team_files.known_keys(policy)
    again = {each.key for each in named}
    team_files.remember(policy, [*(each for each in before if each.key not in again), *named])
    _tell(named, "What this key signs is trusted now", for_programs)


def revoke(text: str, for_programs: bool) -> None:
    """Takes a key back: nothing that it signed is loaded any more."""
    policy = signing_policy()
    before = team_files.known_keys(policy)
    found = team_files.found_key(before, text)
    others = [each for each in before if each.key != found.key]
    team_files.remember(policy, [*others, KnownKey(found.key, found.name, revoked=True)])
    _tell([found], "Nothing that this key signed is loaded any more, however old it is", for_programs)


def _tell(keys: list[KnownKey], what: str, for_programs: bool) -> None:
    if for_programs:
        click.echo(tables.as_json({"keys": [{"name": each.name, "key": public_line(each.key)} for each in keys]}))
        return
    for each in keys:
        click.echo(f"{what}: {_shown(each)}")
    click.echo("Kernels that run must be restarted to know it.")


def _shown(key: KnownKey) -> str:
    return f"{printable(key.name) or '(no name)'}  {fingerprint(key.key)}"


def _renew(policy: SigningPolicy) -> None:
    if policy.key is not None:
        raise StoreError(f"your key is {policy.key}, which {SIGNING_KEY} names: name another one there")
    with suppress(StoreError):  # a key that others may have read is not trusted for what it signed
        old = team_files.own_key(policy)
        if old is not None:
            today = datetime.date.today().isoformat()
            known = team_files.known_keys(policy)
            team_files.remember(policy, [*known, KnownKey(old.public, f"you, until {today}")])
    policy.key_file.unlink(missing_ok=True)
    team_files.make_key(policy)


def _age_key() -> str:
    from kishu_kernel.store.remote import recipients

    try:
        found = recipients.own_identity() or recipients.new_identity(recipients.identity_path())
    except RemoteError as error:
        note(str(error))
        return ""
    return found.public


def _called() -> str:
    with suppress(OSError, KeyError, ImportError):
        return f"{getpass.getuser()}@{socket.gethostname()}"
    return ""


SECTION = "Keys"
COMMANDS = (keys,)
