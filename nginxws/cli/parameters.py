"""Where a parameter of the running command has its value from."""

from __future__ import annotations

import click
from click.core import ParameterSource


def stands_there(parameter: str) -> bool:
    """Whether it stands on the command line."""
    return _source(parameter) is ParameterSource.COMMANDLINE


def said(parameter: str) -> bool:
    """Whether it stands on the command line or in the environment."""
    return _source(parameter) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def _source(parameter: str) -> ParameterSource | None:
    return click.get_current_context().get_parameter_source(parameter)
