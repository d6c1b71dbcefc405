"""What is known of each setting, taken from the annotations in `Settings`: for reading and for documents."""

from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from onlycare_socket.config.settings import SECRETS, Settings


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one setting: made from the annotation in `Settings`."""

    name: str
    hint: Any
    default: Any

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return self.name.upper()

    @property
    def secret(self) -> bool:
        """True when the value must not be shown."""
        return self.name in SECRETS

    @property
    def type(self) -> Any:
        """The type of the value, without the description."""
        return self.hint.__origin__

    @property
    def meta(self) -> msgspec.Meta:
        """Description and limits."""
        meta: msgspec.Meta = self.hint.__metadata__[0]
        return meta

    @property
    def extra(self) -> dict[str, Any]:
        """Unit, default in words, example, secret and section, as given to `setting`."""
        return self.meta.extra or {}

    @property
    def choices(self) -> tuple[str, ...]:
        """The words a setting may have, or () when it is no choice."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    def expected(self) -> str:
        """Says in words what value fits: `seconds as a number from 1 to 600`."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.type is bool:
            return "true or false"
        number = {int: "a whole number", float: "a number"}.get(self.type)
        if number is None:
            return "a list, separated by commas" if get_origin(self.type) is tuple else "text"
        unit = f"{self.extra['unit']} as " if self.extra["unit"] else ""
        return f"{unit}{number} from {self.meta.ge} to {self.meta.le}"

    def default_text(self) -> str:
        """Returns the default as one would write it in `.env`, a rule in words, or '' when there is none."""
        if self.extra["default"]:
            return str(self.extra["default"])
        return "" if self.default in (None, ()) else plain(self.default)

    def example(self) -> str:
        """Returns a value to show in `.env.example`: the example, else the default."""
        return str(self.extra["example"]) or ("" if self.default in (None, ()) else plain(self.default))


def _fields() -> tuple[Field, ...]:
    hints = get_type_hints(Settings, include_extras=True)
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    return tuple(
        Field(name=name, hint=hint, default=defaults[name])
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    )


FIELDS: tuple[Field, ...] = _fields()
"""Every setting that the environment can give, in the order of the documents."""


def plain(value: object) -> str:
    """Returns a value as one would write it in `.env`: `30`, `true`, `a,b`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
