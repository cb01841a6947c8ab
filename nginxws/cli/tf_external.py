"""``nginxws tf-external``: answers Terraform's ``external`` data source. It only looks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from nginxws.cli.options import inventory_option, layout_options, option, ssh_options
from nginxws.errors import InvalidInput, NginxwsError

if TYPE_CHECKING:
    from nginxws.cli.desired import Desired
    from nginxws.nodes.link import NodeLink
    from nginxws.report.terraform import Looked


@click.command("tf-external")
@option("--manifest", type=click.Path(dir_okay=False), metavar="PATH",
        help="The manifest, where the query names none.  [default: nginxws.toml here or in a folder above]",
        )  # fmt: skip
@inventory_option
@ssh_options
@layout_options
def tf_external(**options: Any) -> int:
    """Answer a query of Terraform's external data source: JSON on stdin, one flat object of texts on stdout.

    Keys of the query, all of them optional: manifest, inventory, node, app, path, and live: "true" looks at
    the nodes as `nginxws plan` does. Without it the answer comes from the manifest alone.

    Nothing is changed or asked, and no new host key accepted. An error is one line on stderr.
    """
    try:
        answer = _answer(options)
    except NginxwsError as error:
        click.echo(_one_line(error), err=True)
        return error.code
    click.echo(answer)
    return 0


def _one_line(error: NginxwsError) -> str:
    from nginxws.printable import one_line

    hint = f" ({error.hint})" if error.hint else ""
    detail = f": {error.detail.splitlines()[0]}" if error.detail else ""
    return one_line(f"error: {error}{detail}{hint}")[:2000]


def _answer(options: dict[str, Any]) -> str:
    from nginxws.cli import manifest_file, tf_query
    from nginxws.report import terraform

    query = tf_query.parse(_stdin(tf_query.MAX_SIZE))
    inventory = query.inventory or options["inventory"]
    if inventory == "-":
        raise InvalidInput("stdin has the query, and can't have the inventory", hint="name a file")
    options = {
        **options,
        "manifest": query.manifest or options["manifest"],
        "inventory": inventory,
        "nodes": (query.node,) if query.node else (),
    }
    file = manifest_file.need(options)
    try:
        asked = terraform.Asked.of(file.manifest, query.node, query.app, query.path)
    except InvalidInput as error:
        error.file = file.name
        raise
    answer = terraform.offline(asked, file.planned_digest)
    if query.live:
        from nginxws.cli.desired import Desired

        manifest_file.nodes_meant(file, options)  # says what is missing where there are none
        answer |= terraform.live(asked, _look(Desired(file, asked.nodes), options))
    return terraform.text(answer)


def _stdin(limit: int) -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput(
            "there is no query on stdin", hint="it is a JSON object: echo '{}' | nginxws tf-external"
        )
    return sys.stdin.buffer.read(limit + 1)


def _look(desired: Desired, options: dict[str, Any]) -> dict[str, Looked]:
    """Every node, all at once. Raises what went wrong on the first that can't be looked at."""
    from nginxws.cli import manifest_file
    from nginxws.cli.change import warm_up
    from nginxws.cli.looking import on_each

    links = manifest_file.links(
        desired.file, desired.names, {**options, "strict_host_keys": True}, ask=lambda _prompt: None
    )
    warm_up()
    found = on_each(links, lambda link: _one(desired, link), lambda _node, error: error)
    looked = {}
    for link, one in zip(links, found, strict=True):
        if isinstance(one, NginxwsError):
            raise one
        looked[link.name] = one
    return looked


def _one(desired: Desired, link: NodeLink) -> Looked | NginxwsError:
    from nginxws.cli.desired import version
    from nginxws.nodes import history
    from nginxws.nodes.reading import read_node
    from nginxws.report.terraform import Looked

    now = read_node(link, lambda _step, _words: None, undo=False)
    newest = history.read(link.session(), link.options).newest
    plan, _findings = desired.plan(now)
    number = 0 if newest is None else newest.number
    return Looked(plan, version(now), number, now.pending is not None)
