"""Writing YAML that reads back as the same text everywhere: no aliases, no tags, strings quoted where they have to be. Pure."""

from datetime import datetime
from typing import Any

import yaml

from deploy_records.poam_files.moments import moment_text

_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - likewise
        return super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Several lines as a block, where the library finds that this keeps them as they are."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _moment(dumper: yaml.SafeDumper, moment: datetime) -> yaml.ScalarNode:
    """Plain, with T and Z: the form that every reader takes for a moment."""
    return dumper.represent_scalar("tag:yaml.org,2002:timestamp", moment_text(moment))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(datetime, _moment)


def yaml_text(data: Any, *comments: str) -> str:
    """`data` as a document, below lines of comment. A `str` stays text, a `datetime` becomes a plain moment."""
    head = "".join(f"# {line}\n" for line in comments)
    return head + str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))
