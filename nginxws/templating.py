"""Jinja templates, ours and the user's own, and the proof that a rendered text is what it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nginxws.config.document import Directive, parse, quote
from nginxws.config.octets import to_bytes, to_text
from nginxws.errors import InvalidInput, ParseError, RenderError

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES: Final = ("location.conf.j2", "plain.conf.j2", "upstream.conf.j2", "maps.conf.j2")

Head = tuple[bytes, int]
"""A directive's name and its number of words, the name included."""
Block = tuple[Head, list[Head]]
"""A block: its own head, and those of the directives in it, sorted."""


def word(value: str) -> str:
    """The value as one NGINX word, quoted where it has to be."""
    return to_text(quote(to_bytes(value)))


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """Compiled templates by name; ``own`` are those that came from the user's folder."""

    by_name: Mapping[str, Template]
    own: frozenset[str]

    def fill(self, name: str, variables: Mapping[str, Any], expected: list[Block]) -> str:
        """The template's text, proved: ours holds exactly ``expected``, a user's own is well-formed.

        No blank lines, no white space at line ends, no final newline. Raises RenderError.
        """
        template = self.by_name[name]
        try:
            text = template.render(variables).rstrip("\n")
        except Exception as exc:  # a template is a program: anything can go wrong in it
            raise _render_error(exc, template) from exc
        if name in self.own:
            text = "\n".join(line.rstrip() for line in text.split("\n") if line.strip())
        _prove(text, name, template, None if name in self.own else expected)
        return text


@lru_cache(maxsize=8)
def load(folder: Path | None) -> Templates:
    """Our templates, each replaced by the file of the same name in ``folder`` where there is one.

    Raises InvalidInput when the folder has none of them, RenderError when one isn't a Jinja template.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

    own = frozenset(name for name in TEMPLATES if folder is not None and (folder / name).is_file())
    if folder is not None and not own:
        raise InvalidInput(
            f"folder {str(folder)!a} holds no template",
            hint=f"put one of these into it: {', '.join(TEMPLATES)}",
        )
    environment = Environment(  # nosec B701  # see autoescape
        loader=FileSystemLoader([path for path in (folder, _packaged()) if path is not None]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - this isn't HTML; words are quoted for NGINX, and the result is proved
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["quote"] = word
    by_name = {}
    for name in TEMPLATES:
        try:
            by_name[name] = environment.get_template(name)
        except (TemplateError, UnicodeDecodeError, OSError) as exc:
            raise RenderError(
                f"template can't be read: {exc}",
                hint="mend the template, or remove it to use the built-in one",
                file=str((folder if folder is not None and name in own else _packaged()) / name),
                line=getattr(exc, "lineno", None),
            ) from exc
    return Templates(by_name, own)


def _packaged() -> Path:
    """Where our templates are: beside the code in a wheel, at the repository's root in a checkout."""
    here = Path(__file__).parent
    shipped = here / "_templates"
    return shipped if shipped.is_dir() else here.parent / "templates"


def _render_error(exc: Exception, template: Template) -> RenderError:
    line = None
    trace = exc.__traceback__
    while trace is not None:  # Jinja maps its frames to the template's own file and lines
        if trace.tb_frame.f_code.co_filename == template.filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return RenderError(
        f"template failed: {exc}",
        hint="the comment at the top of the built-in template lists the variables",
        file=template.filename,
        line=line,
    )


def _prove(text: str, name: str, template: Template, expected: list[Block] | None) -> None:
    try:
        document = parse(to_bytes(text), name)
    except ParseError as exc:
        raise RenderError(
            f"rendered text isn't NGINX configuration: line {exc.line}: {exc.message}",
            hint="check the template's quotes, semicolons and braces",
            file=template.filename,
            detail=text,
        ) from exc
    if not document.directives:
        raise RenderError("template rendered no directive", hint="mend the template", file=template.filename)
    if expected is not None and (
        document.comments or [_block(item) for item in document.directives] != expected
    ):
        raise RenderError(
            "rendered text holds other directives than the route asks for",
            hint="please report this as a bug of nginxws, with the command and its options",
            file=template.filename,
            detail=text,
        )


def _block(directive: Directive) -> Block:
    inside = sorted((child.name, len(child.words)) for child in directive.children)
    return (directive.name, len(directive.words)), inside
